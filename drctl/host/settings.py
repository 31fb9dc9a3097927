"""A stopped member's settings: the text of `postgresql.auto.conf`, and connection strings. Pure but for two functions."""

from __future__ import annotations

from collections.abc import Mapping

from drctl.host.config import Member, Peer
from drctl.host.files import sync_folder, write_durably

_AUTO_CONF = "postgresql.auto.conf"
_STANDBY_SIGNAL = "standby.signal"


def with_settings(text: str, settings: Mapping[str, str]) -> str:
    """The text of `postgresql.auto.conf` with some settings replaced; comments and the rest stay."""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip().lower() not in settings]
    added = [f"{name} = {quoted(value)}" for name, value in settings.items()]
    return "\n".join([*kept, *added]) + "\n"


def setting_of(text: str, name: str) -> str | None:
    """The value of a setting in `postgresql.auto.conf`, the last one counts; None when it is not there."""
    value = None
    for line in text.splitlines():
        key, separator, rest = line.partition("=")
        if separator and key.strip().lower() == name:
            rest = rest.strip()
            value = (
                rest[1:-1].replace("''", "'").replace("\\\\", "\\")
                if rest.startswith("'") and rest.endswith("'")
                else rest
            )
    return value


def quoted(value: str) -> str:
    """A value as a configuration file writes it, and as ALTER SYSTEM does: quotes and backslashes are doubled."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def write_settings(member: Member, settings: Mapping[str, str]) -> None:
    """Change settings of a stopped member, as ALTER SYSTEM would."""
    path = member.pgdata / _AUTO_CONF
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    write_durably(path, with_settings(text, settings).encode())


def become_standby(member: Member) -> None:
    """Make the next start a standby's."""
    signal = member.pgdata / _STANDBY_SIGNAL
    signal.touch(mode=0o600)
    sync_folder(member.pgdata)


def is_standby(member: Member) -> bool:
    """Whether the data folder says that its server is a standby."""
    return (member.pgdata / _STANDBY_SIGNAL).exists()


def conninfo(member: Member, upstream: Peer, user: str, extra: Mapping[str, str] | None = None) -> str:
    """How a member connects to a peer: libpq's keyword string.

    A dead upstream is noticed in seconds, not after the kernel's two hours: connect_timeout for a silent host, keepalives
    and tcp_user_timeout for a link that goes dark.
    """
    words = {
        "host": upstream.host,
        "port": str(upstream.port),
        "user": user,
        "application_name": member.name,
        "connect_timeout": "3",
        "keepalives_idle": "1",
        "keepalives_interval": "1",
        "keepalives_count": "3",
        "tcp_user_timeout": "4000",
        **({"passfile": member.passfile} if member.passfile else {}),
        **(extra or {}),
    }
    text = " ".join(f"{key}={_conninfo_value(value)}" for key, value in words.items())
    return f"{text} {member.options}".strip()


def sync_names(count: int, members: tuple[str, ...]) -> str:
    """`ANY 1 ("lis-yuecheng", "lis-fuyang")`."""
    inner = ", ".join('"' + name.replace('"', '""') + '"' for name in members)
    return f"ANY {count} ({inner})"


def _conninfo_value(value: str) -> str:
    if value and all(character.isalnum() or character in "._-/:" for character in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
