from __future__ import annotations

import pytest
from kazoo.exceptions import (
    BadVersionError,
    ConnectionDropped,
    MarshallingError,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.serialization import CheckVersion, Transaction
from kazoo.protocol.states import ZnodeStat

from drctl.model.errors import EffectUnknown
from drctl.zookeeper.transaction import (
    GUARD,
    Check,
    Create,
    Delete,
    Guard,
    Refusal,
    RejectedError,
    Replace,
    Written,
    refusal,
    written,
)

CHECK = Check(path="/election/me", version=0)
WRITES = [Create(path="/a", sequential=True), Replace(path="/b", data=b""), Delete(path="/c")]
STAT = ZnodeStat(*range(11))


def test_a_guard_is_sent_as_the_check_that_it_is():
    assert Transaction([Guard(CHECK)]).serialize() == Transaction([CheckVersion(CHECK.path, CHECK.version)]).serialize()


def test_a_request_that_was_never_put_into_bytes_can_be_withdrawn_and_is_never_sent_then():
    guard = Guard(CHECK)
    assert guard.withdraw()
    with pytest.raises(ConnectionDropped):
        guard.serialize()


def test_a_request_that_was_put_into_bytes_can_no_longer_be_withdrawn():
    guard = Guard(CHECK)
    guard.serialize()
    assert not guard.withdraw()


def test_what_was_written_has_its_number_and_its_version():
    assert written(CHECK, WRITES, [True, "/a0000000007", STAT, True]) == (
        Written(path="/a0000000007"),
        Written(path="/b", version=STAT.version),
        Written(path="/c"),
    )


@pytest.mark.parametrize("failing", [GUARD, 0, 1, 2])
def test_a_refusal_names_the_operation_that_failed(failing: int):
    results: list[object] = [RolledBackError()] * (failing + 1) + [NoNodeError()]
    results += [RuntimeInconsistency()] * (4 - len(results))
    with pytest.raises(RejectedError) as caught:
        written(CHECK, WRITES, results)
    assert caught.value.index == failing
    assert caught.value.refusal is Refusal.MISSING
    assert caught.value.deposed is (failing == GUARD)
    assert caught.value.path == [CHECK.path, "/a", "/b", "/c"][failing + 1]


def test_an_answer_that_makes_no_sense_says_nothing_of_the_effect():
    with pytest.raises(EffectUnknown):
        written(CHECK, WRITES, [True, "/a0000000007"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NoNodeError(), Refusal.MISSING),
        (NodeExistsError(), Refusal.EXISTS),
        (BadVersionError(), Refusal.VERSION),
        (NotEmptyError(), Refusal.NOT_EMPTY),
        (NoAuthError(), Refusal.DENIED),
        (MarshallingError(), Refusal.OTHER),
    ],
)
def test_kazoos_errors_become_our_words(error: Exception, expected: Refusal):
    assert refusal(error) is expected
