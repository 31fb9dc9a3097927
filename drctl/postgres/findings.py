"""What a finding is made of: what is so, what it means, and the command to type."""

from __future__ import annotations

import shlex

from drctl.model.takeover import Finding, FindingSeverity
from drctl.model.topology import Member

RELOAD = "SELECT pg_reload_conf()"


def error(subject: str, what: str, why: str, remedy: str) -> Finding:
    """Nothing is done until this is put right."""
    return Finding(severity=FindingSeverity.ERROR, subject=subject, what=what, why=why, remedy=remedy)


def warning(subject: str, what: str, why: str, remedy: str) -> Finding:
    """It works, and something will be worse than it could be."""
    return Finding(severity=FindingSeverity.WARNING, subject=subject, what=what, why=why, remedy=remedy)


def well(subject: str, what: str, why: str = "") -> Finding:
    """It is as it should be."""
    return Finding(severity=FindingSeverity.OK, subject=subject, what=what, why=why)


def psql(member: Member, *statements: str) -> str:
    """The command that runs statements on a member as an administrator."""
    to = shlex.join(["psql", "-h", member.host, "-p", str(member.port), "-U", "postgres", "-d", "postgres"])
    return " ".join([to, *(f"-c {_quoted(statement)}" for statement in statements)])


def _quoted(statement: str) -> str:
    # SQL is full of single quotes, which a shell reads well inside double ones.
    return shlex.quote(statement) if any(one in statement for one in '"$`\\!') else f'"{statement}"'


def alter(member: Member, setting: str, value: str | None, *, restart: bool = False) -> str:
    """The command that changes a setting of a member; None as value goes back to what it was before ALTER SYSTEM."""
    statement = f"ALTER SYSTEM RESET {setting}" if value is None else f"ALTER SYSTEM SET {setting} = '{value}'"
    return f"{psql(member, statement)}; then restart PostgreSQL there" if restart else psql(member, statement, RELOAD)
