from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract.database_script import SCENES, World
from tests.integration.postgres_servers import Servers, bindir_of, running

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=[18, 15])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with running(bindir_of(request.param)) as made:
        yield made


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_postgresql_keeps_the_contract(scene: Callable[[World], None], servers: Servers):
    try:
        scene(servers)
    finally:
        servers.heal()
