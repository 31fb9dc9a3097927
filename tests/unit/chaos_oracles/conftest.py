"""Fixtures of the oracles' tests."""

from __future__ import annotations

import pytest

from tests.unit.chaos_oracles.story import Story


@pytest.fixture
def story():
    return Story()
