"""The single values of cluster.yaml: how each is read, and what a message says that it should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from drctl.config.secret import Secret, parse_secret
from drctl.drill.calendar import cron_problem
from drctl.model.topology import Address
from drctl.model.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration_s,
    parse_size_bytes,
)

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
"""PostgreSQL cuts an `application_name` after 63 bytes."""
_HOST_PATTERN = r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?"
_ROLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_$-]{0,62}$"
_MAIL_PATTERN = r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}$"
_WINDOW_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a value should be: the words and the example of a message."""

    words: str
    example: str
    secret: bool = False
    """Whether a wrong value may be a secret, so that no message must show it."""


def _reading(parse: Callable[[str], object]) -> BeforeValidator:
    def read(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("is no text")  # noqa: TRY004 - pydantic turns a ValueError, and only that, into a finding
        return parse(value)

    return BeforeValidator(read)


def _matching(pattern: str) -> BeforeValidator:
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError("has another form")
        return text

    return _reading(parse)


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


def _positive_duration_s(text: str) -> float:
    seconds = parse_duration_s(text)
    if seconds <= 0:
        raise ValueError("must be greater than zero")
    return seconds


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if (
        not colon
        or not port.isdecimal()
        or not 1 <= int(port) <= 65535
        or not re.fullmatch(_HOST_PATTERN, host, re.ASCII)
    ):
        raise ValueError("has another form")
    return Address(host=host, port=int(port))


def _absolute(text: str) -> Path:
    if not text.startswith("/"):
        raise ValueError("is no absolute path")
    return Path(text)


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError("is no port")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("is no whole number")
    return value


def _per_minute(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 60:
        raise ValueError("is no such number")
    return value


def _line(text: str) -> str:
    if not text.strip() or len(text) > 200 or not text.isprintable():
        raise ValueError("has another form")
    return text


def _label(text: str) -> str:
    if not text.strip() or len(text) > 40 or not text.isprintable():
        raise ValueError("has another form")
    return text


def _cron(text: str) -> str:
    if len(text) > 100 or (problem := cron_problem(text)):
        raise ValueError(problem or "is too long")
    return text


def choice(kind: type[StrEnum]) -> object:
    """The type of a value that is one of an enumeration's."""
    members = [member.value for member in kind]

    def parse(text: str) -> StrEnum:
        if text not in members:
            raise ValueError("is none of them")
        return kind(text)

    return Annotated[
        kind,
        _reading(parse),
        WithJsonSchema({"type": "string", "enum": members}),
        Expected(words=f"one of {', '.join(members)}", example=members[0]),
    ]


_DURATION = Expected(words="a duration greater than zero, a number and a unit (ms, s, m, h)", example="2s")
_SIZE = Expected(words="a size, a whole number and a unit (B, KiB, MiB, GiB)", example="16MiB")

Name = Annotated[
    str,
    _matching(NAME_PATTERN),
    _text_schema(NAME_PATTERN, "zhaohui"),
    Expected(words="a name: a lower-case letter, then letters, digits, `-` or `_`, at most 63", example="zhaohui"),
]
Label = Annotated[
    str,
    _reading(_label),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 40}),
    Expected(words="a short text of at most 40 characters", example="朝晖"),
]
HostName = Annotated[
    str,
    _matching(f"^{_HOST_PATTERN}$"),
    _text_schema(f"^{_HOST_PATTERN}$", "192.168.2.10"),
    Expected(words="a host name or an IP address, without a port", example="192.168.2.10"),
]
Port = Annotated[
    int,
    BeforeValidator(_port),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
    Expected(words="a port, a whole number from 1 to 65535", example="5432"),
]
Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema({"type": "integer", "minimum": 0}),
    Expected(words="a whole number, zero or greater", example="1"),
]
ZooKeeperAddress = Annotated[
    Address,
    _reading(_address),
    _text_schema(r"^\S+:\d+$", "192.168.2.10:2181"),
    Expected(words="an address with a port", example="192.168.2.10:2181"),
]
HttpAddress = Annotated[
    Address,
    _reading(_address),
    _text_schema(r"^\S+:\d+$", "192.168.2.10:8008"),
    Expected(words="an address with a port", example="192.168.2.10:8008"),
]
Duration = Annotated[
    float,
    _reading(_positive_duration_s),
    _text_schema(DURATION_PATTERN, "2s"),
    _DURATION,
]
Size = Annotated[
    int,
    _reading(parse_size_bytes),
    _text_schema(SIZE_PATTERN, "16MiB"),
    _SIZE,
]
RootPath = Annotated[
    str,
    _matching(r"^(/[A-Za-z0-9_.-]+)+$"),
    _text_schema(r"^(/[A-Za-z0-9_.-]+)+$", "/drctl"),
    Expected(words="a znode path that begins with / and does not end with it", example="/drctl"),
]
FilePath = Annotated[
    Path,
    _reading(_absolute),
    _text_schema("^/", "/etc/drctl/id_ed25519"),
    Expected(words="an absolute path of a file", example="/etc/drctl/id_ed25519"),
]
FolderPath = Annotated[
    Path,
    _reading(_absolute),
    _text_schema("^/", "/etc/drctl/playbooks"),
    Expected(words="an absolute path of a folder", example="/etc/drctl/playbooks"),
]
RoleName = Annotated[
    str,
    _matching(_ROLE_PATTERN),
    _text_schema(_ROLE_PATTERN, "drctl"),
    Expected(words="a name of letters, digits, `_`, `-` or `$`, at most 63", example="drctl"),
]
SslMode = Annotated[
    str,
    _matching(f"^({'|'.join(SSL_MODES)})$"),
    WithJsonSchema({"type": "string", "enum": list(SSL_MODES)}),
    Expected(words=f"one of {', '.join(SSL_MODES)}", example="prefer"),
]
LanguageWord = Annotated[
    str,
    _matching("^(zh|en)$"),
    WithJsonSchema({"type": "string", "enum": ["zh", "en"]}),
    Expected(words="zh or en", example="zh"),
]
SecurityWord = Annotated[
    str,
    _matching("^(none|starttls|tls)$"),
    WithJsonSchema({"type": "string", "enum": ["none", "starttls", "tls"]}),
    Expected(words="one of none, starttls, tls", example="starttls"),
]
MailAddress = Annotated[
    str,
    _matching(_MAIL_PATTERN),
    _text_schema(_MAIL_PATTERN, "drctl@hospital.example"),
    Expected(words="a mail address", example="drctl@hospital.example"),
]
Line = Annotated[
    str,
    _reading(_line),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200}),
    Expected(words="one line of text", example="drctl"),
]
PerMinute = Annotated[
    int,
    BeforeValidator(_per_minute),
    WithJsonSchema({"type": "integer", "minimum": 2, "maximum": 60}),
    Expected(words="a whole number from 2 to 60", example="10"),
]
Window = Annotated[
    str,
    _matching(_WINDOW_PATTERN),
    _text_schema(_WINDOW_PATTERN, "02:00-04:00"),
    Expected(words="two local times of day, HH:MM-HH:MM", example="02:00-04:00"),
]
CronText = Annotated[
    str,
    _reading(_cron),
    WithJsonSchema({"type": "string", "examples": ["0 2 * * 6#1"]}),
    Expected(words="a cron expression: minute, hour, day, month, weekday", example="0 2 * * 6#1"),
]
DayText = Annotated[
    date,
    _reading(date.fromisoformat),
    _text_schema(r"^\d{4}-\d{2}-\d{2}$", "2027-02-05"),
    Expected(words="a day, YYYY-MM-DD", example="2027-02-05"),
]
SecretReference = Annotated[
    Secret,
    _reading(parse_secret),
    _text_schema("^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*)$", "file:/etc/drctl/password"),
    Expected(
        words="a reference to a secret, file:/PATH or env:NAME: a secret never stands in this file",
        example="file:/etc/drctl/password",
        secret=True,
    ),
]


def in_file_form(value: object, expected: Expected | None) -> str:
    """A value as the file writes it."""
    match value:
        case float() if expected is _DURATION:
            return format_duration(value)
        case int() if expected is _SIZE:
            return format_size(value)
        case None:
            return ""
        case _:
            return str(value)
