"""Would every member let the others stream from it, were it the primary? Reads pg_hba.conf as the server does, as a superuser."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drctl.model.takeover import Finding
from drctl.model.topology import Group, Member
from drctl.postgres.findings import RELOAD, error, psql, warning, well

RULES_SQL = """
SELECT coalesce(json_agg(json_build_object('line', line_number, 'type', type, 'database', database, 'user', user_name,
  'address', address, 'netmask', netmask, 'method', auth_method, 'error', error) ORDER BY line_number), '[]')::text
FROM pg_hba_file_rules
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line of pg_hba.conf."""

    line: int
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    """A network's address, a host's name, `all`, `samehost` or `samenet`; empty for `local`."""
    netmask: str
    method: str
    error: str = ""
    """Why the server cannot read it; empty when it can."""


def rules_of(text: str) -> tuple[Rule, ...]:
    """The row of RULES_SQL."""
    said: list[dict[str, Any]] = json.loads(text)
    return tuple(
        Rule(
            line=one["line"] or 0,
            kind=one["type"] or "",
            databases=tuple(one["database"] or ()),
            users=tuple(one["user"] or ()),
            address=one["address"] or "",
            netmask=one["netmask"] or "",
            method=one["method"] or "",
            error=one["error"] or "",
        )
        for one in said
    )


def check_access(
    group: Group, member: Member, rules: Sequence[Rule], addresses: Mapping[str, str], *, replicator: str
) -> Iterator[Finding]:
    """What is wrong with a member's pg_hba.conf. `addresses` are those of the hosts of `group`, in numbers."""
    broken = [rule for rule in rules if rule.error]
    look = psql(member, "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL")
    if broken:
        yield warning(
            member.name,
            f"line {broken[0].line} of its pg_hba.conf cannot be read: {broken[0].error}",
            "the server goes on with what it read before, and would not start with this file",
            look,
        )
    shut_out = [
        other
        for other in group.members
        if other.name != member.name and not lets_in(rules, user=replicator, address=addresses[other.host])
    ]
    for other in shut_out:
        line = f"host replication {replicator} {addresses[other.host]}/{_bits(addresses[other.host])} scram-sha-256"
        yield error(
            member.name,
            f"its pg_hba.conf does not let {replicator} stream from {other.name} ({addresses[other.host]})",
            f"were it the primary, {other.name} could not follow it, and commits may wait for ever",
            f"add to its pg_hba.conf: {line}; then: {psql(member, RELOAD)}",
        )
    if not broken and not shut_out:
        yield well(member.name, f"its pg_hba.conf lets {replicator} stream from every other member")


def lets_in(rules: Sequence[Rule], *, user: str, address: str) -> bool:
    """Whether a replication connection over TCP would be let in, as far as the rules tell: the first that fits decides.

    Where a rule speaks of what cannot be looked up here (a group, a pattern, a name), it is taken to fit.
    """
    for rule in rules:
        if rule.error or not rule.kind.startswith("host") or "replication" not in rule.databases:
            continue
        if any(name in {user, "all"} or name[:1] in {"+", "/"} for name in rule.users) and _fits(rule, address):
            return rule.method != "reject"
    return False


def _fits(rule: Rule, address: str) -> bool:
    if rule.address in {"all", "samenet"}:
        return True
    if rule.address == "samehost":
        return False
    try:
        network = ipaddress.ip_network(f"{rule.address}/{rule.netmask}" if rule.netmask else rule.address, strict=False)
    except ValueError:
        # An IPv6 mask is written out, which that module does not read; and a name is looked up by the server.
        return ":" not in rule.address or _masked(rule.address, rule.netmask) == _masked(address, rule.netmask)
    return ipaddress.ip_address(address) in network


def _masked(address: str, netmask: str) -> int:
    try:
        return int(ipaddress.ip_address(address)) & int(ipaddress.ip_address(netmask))
    except ValueError:
        return 0


def _bits(address: str) -> int:
    return ipaddress.ip_address(address).max_prefixlen
