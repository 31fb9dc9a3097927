"""Is a group fit to be protected (`drctl init`), and what may go wrong in one that is (`drctl doctor`)? Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from drctl.model.identity import MemberName
from drctl.model.takeover import AdminAccess, Finding, FindingSeverity
from drctl.model.topology import Group, Member
from drctl.postgres import prerequisites, risks
from drctl.postgres.access import RULES_SQL, check_access, rules_of
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError
from drctl.postgres.findings import error, psql, warning, well
from drctl.postgres.line import Account
from drctl.postgres.names import Names
from drctl.postgres.portrait import LOOK_TIMEOUT_S, Portrait, Unseen, look_at
from drctl.postgres.prepare import PREPARED_SQL, REWIND_ROLE, admin_parameters

DOCTOR = "drctl-doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found of a group."""

    primary: MemberName | None
    findings: tuple[Finding, ...]
    prepared: bool
    """Whether role, schema, marker table and rewind role exist, with their rights."""
    already_set: str
    """The primary's `synchronous_standby_names`."""


def examine(group: Group, access: AdminAccess, *, role: str, dbname: str) -> Examination:
    """Look at every member of `group` as an administrator. Never raises for what it finds: that is what the findings say."""
    names = Names()
    findings, portraits = _seen(
        group, lambda member, end_s: admin_parameters(member, access, names, end_s=end_s), f"as {access.user}"
    )
    primary = prerequisites.primary_of(portraits)
    if primary is not None:
        # It stands in the way of the promise for those who asked for it, and not of taking the group over.
        findings += [
            replace(found, severity=FindingSeverity.WARNING)
            for found in risks.overrides(portraits[primary], group.member(primary))
        ]
    return Examination(
        primary=primary,
        findings=tuple(findings),
        prepared=primary is not None and _prepared(group.member(primary), access, names, role=role, dbname=dbname),
        already_set=portraits[primary].settings.get("synchronous_standby_names", "") if primary else "",
    )


def check_up(groups: Sequence[Group], account: Account) -> tuple[Finding, ...]:
    """What drctl's own role sees of prerequisites and risks. Never raises for what it finds."""
    names = Names()

    def parameters(member: Member, end_s: float) -> Mapping[str, str]:
        return account.parameters(
            member, names.address(member.host, end_s=end_s), application=DOCTOR, options={"lock_timeout": "1000"}
        )

    found: list[Finding] = []
    for group in groups:
        findings, portraits = _seen(group, parameters, f"as {account.user}")
        found += findings
        for name, portrait in portraits.items():
            risky = list(risks.of_member(portrait, group.member(name)))
            if not risky and not any(
                one.subject == name and one.severity is not FindingSeverity.OK for one in findings
            ):
                risky = [
                    well(name, f"PostgreSQL {portrait.major}: its settings, slots and archive are as they should be")
                ]
            found += risky
        primary = prerequisites.primary_of(portraits)
        if primary is not None:
            found += risks.of_group(group, portraits, primary)
            found += _made(group, group.member(primary), parameters, account.user)
    return tuple(found)


def check_doors(group: Group, access: AdminAccess, *, replicator: str) -> tuple[Finding, ...]:
    """Who may stream from whom, which only an administrator may see. Never raises for what it finds."""
    names, found = Names(), list[Finding]()
    end_s = time.monotonic() + LOOK_TIMEOUT_S * len(group.members)
    try:
        addresses = {member.host: names.address(member.host, end_s=end_s) for member in group.members}
    except OSError as failure:
        return (warning(group.name, f"pg_hba.conf was not looked at: {failure}", "a host's name is not known", ""),)
    for member in group.members:
        try:
            connection = Connection.open(admin_parameters(member, access, names, end_s=end_s), end_s=end_s)
            try:
                text = connection.query(RULES_SQL, end_s=end_s)[0][0]
            finally:
                connection.close()
        except (CannotConnect, NoAnswer, ServerError, OSError, psycopg.Error) as failure:
            why = " ".join(str(failure).split())
            found.append(
                warning(
                    member.name,
                    f"its pg_hba.conf could not be looked at: {why}",
                    "whether the others could follow it is not known",
                    psql(member, "SELECT * FROM pg_hba_file_rules"),
                )
            )
            continue
        found += check_access(group, member, rules_of(text or "[]"), addresses, replicator=replicator)
    return tuple(found)


def _seen(
    group: Group, parameters: Callable[[Member, float], Mapping[str, str]], whom: str
) -> tuple[list[Finding], dict[MemberName, Portrait]]:
    seen = look_at(group.members, parameters)
    findings: list[Finding] = []
    portraits: dict[MemberName, Portrait] = {}
    for member in group.members:
        one = seen[member.name]
        if isinstance(one, Unseen):
            findings.append(
                error(
                    member.name,
                    f"cannot be asked {whom}: {one.why}",
                    "nothing is known of it, and nothing is changed before every member answers",
                    psql(member, "SELECT version()"),
                )
            )
        else:
            portraits[member.name] = one
    for name, portrait in portraits.items():
        findings += prerequisites.of_member(portrait, group.member(name))
    findings += prerequisites.of_group(group, portraits)
    return findings, portraits


def _made(
    group: Group, primary: Member, parameters: Callable[[Member, float], Mapping[str, str]], role: str
) -> Iterator[Finding]:
    """Whether what `drctl init` made is still there."""
    if _is_prepared(primary, parameters, role) is False:
        yield error(
            primary.name,
            f"the roles {role} and {REWIND_ROLE}, or the table drctl.marker, are not as drctl init made them",
            "no marker can be written, or no member be rewound after a failover",
            f"drctl init {group.name}",
        )


def _prepared(primary: Member, access: AdminAccess, names: Names, *, role: str, dbname: str) -> bool:
    def parameters(member: Member, end_s: float) -> Mapping[str, str]:
        return admin_parameters(member, access, names, dbname=dbname, end_s=end_s)

    return _is_prepared(primary, parameters, role) or False


def _is_prepared(primary: Member, parameters: Callable[[Member, float], Mapping[str, str]], role: str) -> bool | None:
    """None when it cannot be told."""
    end_s = time.monotonic() + LOOK_TIMEOUT_S
    try:
        connection = Connection.open(parameters(primary, end_s), end_s=end_s)
    except (CannotConnect, NoAnswer, OSError, psycopg.Error):
        return None
    try:
        return connection.query(PREPARED_SQL, [role], end_s=end_s)[0][0] == "t"
    except (NoAnswer, ServerError):
        return None
    finally:
        connection.close()
