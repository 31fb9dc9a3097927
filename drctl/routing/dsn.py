"""Connection strings that find the primary by themselves: all members, and the driver takes the one that writes."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from drctl.model.identity import CenterName
from drctl.model.topology import Group, Member
from drctl.routing.doors import members_from

# A dead host is given up after this long; libpq takes no less.
CONNECT_TIMEOUT_S = 2
TCP_USER_TIMEOUT_MS = 1000


class Driver(StrEnum):
    """Who reads the connection string."""

    LIBPQ = "libpq"
    URI = "uri"
    JDBC = "jdbc"


def dsn(group: Group, driver: Driver, *, center: CenterName | None, dbname: str, user: str) -> str:
    """The connection string for writes; the members of `center` are tried first."""
    # A satellite is never primary: no session for writes need knock there.
    members = [member for member in members_from(group, center) if member in group.peers]
    match driver:
        case Driver.LIBPQ:
            return _libpq(members, dbname, user)
        case Driver.URI:
            return _uri(members, dbname, user)
        case Driver.JDBC:
            return _jdbc(members, dbname, user)


def _libpq(members: list[Member], dbname: str, user: str) -> str:
    values = {
        "host": ",".join(member.host for member in members),
        "port": ",".join(str(member.port) for member in members),
        "dbname": dbname,
        "user": user,
        **_libpq_care(),
    }
    return " ".join(f"{key}={value}" for key, value in values.items() if value)


def _uri(members: list[Member], dbname: str, user: str) -> str:
    hosts = ",".join(_host_and_port(member) for member in members)
    care = "&".join(f"{key}={value}" for key, value in _libpq_care().items())
    who = f"{quote(user, safe='')}@" if user else ""
    return f"postgresql://{who}{hosts}/{quote(dbname, safe='')}?{care}"


def _libpq_care() -> dict[str, str]:
    return {
        "target_session_attrs": "read-write",
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "tcp_user_timeout": str(TCP_USER_TIMEOUT_MS),
        "keepalives_idle": "1",
        "keepalives_interval": "1",
        "keepalives_count": "2",
    }


def _jdbc(members: list[Member], dbname: str, user: str) -> str:
    hosts = ",".join(_host_and_port(member) for member in members)
    care = {
        "targetServerType": "primary",
        # Else the driver believes for ten seconds what it saw of a host before.
        "hostRecheckSeconds": "0",
        "connectTimeout": str(CONNECT_TIMEOUT_S),
        "loginTimeout": str(CONNECT_TIMEOUT_S * len(members)),
        "tcpKeepAlive": "true",
        **({"user": quote(user, safe="")} if user else {}),
    }
    return f"jdbc:postgresql://{hosts}/{quote(dbname, safe='')}?" + "&".join(f"{k}={v}" for k, v in care.items())


def _host_and_port(member: Member) -> str:
    return f"[{member.host}]:{member.port}" if ":" in member.host else f"{member.host}:{member.port}"
