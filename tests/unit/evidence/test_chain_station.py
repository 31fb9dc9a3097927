"""Where a center's copy is, and what it says of a changed configuration."""

from __future__ import annotations

import time
from pathlib import Path

from drctl.evidence.station import FALLBACK, audit_directory, configuration_change, scribe
from drctl.model.event import Alarm
from drctl.model.identity import CenterName
from drctl.zookeeper.audit import AuditNodes
from drctl.zookeeper.paths import Paths
from tests.integration.zookeeper_servers import MonotonicClock
from tests.unit.zookeeper.memory_session import MemorySession, Tree

ZHAOHUI = CenterName("zhaohui")


def test_the_directory_is_the_chosen_one_else_the_services_own_else_the_usual(monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert audit_directory(None) == FALLBACK
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/private/drctl:/other")
    assert audit_directory(None) == Path("/var/lib/private/drctl/audit")
    assert audit_directory(Path("/srv/audit")) == Path("/srv/audit")


def test_a_changed_configuration_says_which_keys_changed_and_no_secret(tmp_path):
    first = configuration_change(tmp_path, {"a": "1", "database.password": "env:A"}, center=ZHAOHUI, digest="d1")
    assert (first.digest_before, first.changes) == ("", ())
    assert configuration_change(tmp_path, {"a": "1", "database.password": "env:A"}, center=ZHAOHUI, digest="d1") is None
    second = configuration_change(
        tmp_path, {"a": "2", "b": "new", "database.password": "env:B"}, center=ZHAOHUI, digest="d2"
    )
    assert second.digest_before == "d1"
    assert second.changes == ("a: 1 -> 2", "b: nothing -> new", "database.password: a reference -> a reference")


def test_a_directory_that_cannot_be_had_is_an_alarm_and_not_the_end(tmp_path):
    (tmp_path / "file").write_text("")
    told: list[Alarm] = []
    session = MemorySession(Tree())
    made = scribe(
        tmp_path / "file",
        center=ZHAOHUI,
        incarnation="1",
        store=AuditNodes(session=session, paths=Paths(root="/", cluster="x"), centers=(), now_s=time.monotonic),
        connected=lambda: False,
        clock=MonotonicClock(),
        tell=told.append,
    )
    made.start()
    made.close(deadline_s=5.0)
    assert [alarm.code for alarm in told] == ["audit_chain"]
    assert "this center keeps no copy" in told[0].message
