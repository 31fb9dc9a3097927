"""Who is let in by pg_hba.conf."""

from __future__ import annotations

import json

import pytest

from drctl.model.takeover import FindingSeverity
from drctl.postgres.access import Rule, check_access, lets_in, rules_of
from tests.unit.decision.world import HOSTS, A, B, C, group

ADDRESSES = {host: host for host in HOSTS.values()}


def rule(
    address: str = "10.0.0.0",
    netmask: str = "255.255.255.0",
    *,
    kind: str = "host",
    databases: tuple[str, ...] = ("replication",),
    users: tuple[str, ...] = ("replicator",),
    method: str = "scram-sha-256",
    error: str = "",
) -> Rule:
    return Rule(
        line=1,
        kind=kind,
        databases=databases,
        users=users,
        address=address,
        netmask=netmask,
        method=method,
        error=error,
    )


@pytest.mark.parametrize(
    ("rules", "let_in"),
    [
        ([], False),
        ([rule()], True),
        ([rule(users=("all",))], True),
        ([rule(users=("+streamers",))], True),
        ([rule(users=("drctl",))], False),
        ([rule(databases=("all",))], False),
        ([rule(kind="local", address="", netmask="")], False),
        ([rule(kind="hostssl")], True),
        ([rule("10.0.1.0")], False),
        ([rule("10.0.0.2", "255.255.255.255")], True),
        ([rule("all", "")], True),
        ([rule("samenet", "")], True),
        ([rule("samehost", "")], False),
        ([rule("db-2.hospital", "")], True),
        ([rule(method="reject"), rule()], False),
        ([rule("10.0.0.3", "255.255.255.255", method="reject"), rule()], True),
        ([rule(error="invalid")], False),
    ],
)
def test_the_first_rule_that_fits_decides(rules: list[Rule], let_in: bool):
    assert lets_in(rules, user="replicator", address="10.0.0.2") is let_in


@pytest.mark.parametrize(("address", "let_in"), [("fd00::2", True), ("fd01::2", False)])
def test_networks_of_the_newer_protocol_are_read(address: str, let_in: bool):
    rules = [rule("fd00::", "ffff:ffff:ffff:ffff::")]
    assert lets_in(rules, user="replicator", address=address) is let_in


def test_a_member_that_shuts_another_out_is_told_with_the_line_to_add():
    only_b = [rule(HOSTS[B], "255.255.255.255")]
    (found,) = check_access(group(), group().member(A), only_b, ADDRESSES, replicator="replicator")
    assert found.severity is FindingSeverity.ERROR
    assert C in found.what
    assert f"host replication replicator {HOSTS[C]}/32 scram-sha-256" in found.remedy
    (well,) = check_access(group(), group().member(A), [rule()], ADDRESSES, replicator="replicator")
    assert well.severity is FindingSeverity.OK


def test_a_line_that_cannot_be_read_is_told():
    rules = [rule(), rule(error="invalid IP mask")]
    (found,) = check_access(group(), group().member(A), rules, ADDRESSES, replicator="replicator")
    assert found.severity is FindingSeverity.WARNING
    assert "invalid IP mask" in found.what


def test_rules_are_read_as_the_server_says_them():
    text = json.dumps(
        [
            {"line": 3, "type": "local", "database": ["all"], "user": ["all"], "address": None, "netmask": None,
             "method": "trust", "error": None},
            {"line": 9, "type": None, "database": None, "user": None, "address": None, "netmask": None, "method": None,
             "error": "end-of-line"},
        ]
    )  # fmt: skip
    local, broken = rules_of(text)
    assert (local.kind, local.address, broken.error) == ("local", "", "end-of-line")
