"""A deployment's configuration, checked: what the rest of drctl is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from drctl.config.problem import Problem
from drctl.config.secret import Secret
from drctl.drill.calendar import CalendarEntry, Freeze
from drctl.model.event import Severity
from drctl.model.topology import Address, Topology

OWN_CHECKS = Path("/etc/drctl/checks")
"""Where a hospital's own business checks are, unless the file says otherwise."""
OWN_PLAYBOOKS = Path("/etc/drctl/playbooks")
"""Where a hospital's own playbooks are, unless the file says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooKeeperSettings:
    """How the controllers agree."""

    root: str
    """All znodes are below `{root}/{cluster}`."""
    session_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """How controllers reach drctl-host."""

    user: str
    port: int
    identity: Path
    known_hosts: Path
    """Strict: an unknown or changed host key is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How controllers look at databases."""

    user: str
    password: Secret | None
    """None when the server asks for none, or a password file of libpq holds it."""
    dbname: str
    sslmode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSettings:
    """How standbys stream."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """What was decided and done, as a chain."""

    directory: Path | None = None
    """Of a center's copy; None leaves it to where the controller runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncerSettings:
    """How controllers reach the admin consoles of PgBouncers."""

    user: str = "drctl"
    password: Secret | None = None
    sslmode: str = "prefer"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSettings:
    """How drills are run."""

    checks: Path = OWN_CHECKS
    """The folder of the hospital's own business checks; it need not exist."""
    user: str = ""
    """The role that business checks run as; empty means the one that drctl looks at databases with."""
    password: Secret | None = None
    dbname: str = ""
    """Where the business is; empty means the database that drctl looks at."""
    copy_rate_bytes: int = 32 << 20
    """A second, at most, while a standby is copied."""
    keep_free_bytes: int = 2 << 30
    """What a copy must leave free on its disk."""
    announce_s: float = 86400.0
    """How long before its time a drill of the calendar is announced."""
    calendar: tuple[CalendarEntry, ...] = ()
    freezes: tuple[Freeze, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """A program of the hospital's that takes JSON."""

    name: str
    severity: Severity
    language: str
    """Empty means that of all notifications."""
    per_minute: int
    url: Secret
    token: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotSettings:
    """A group robot of WeCom or DingTalk."""

    name: str
    severity: Severity
    language: str
    per_minute: int
    kind: Literal["wecom", "dingtalk"]
    url: Secret
    secret: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """A mail server and those who read."""

    name: str
    severity: Severity
    language: str
    per_minute: int
    host: str
    port: int
    security: str
    user: str
    password: Secret | None
    sender: str
    recipients: tuple[str, ...]


ChannelSettings = WebhookSettings | RobotSettings | MailSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """Who is told what happened."""

    language: str = "zh"
    channels: tuple[ChannelSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All of cluster.yaml."""

    topology: Topology
    zookeeper: ZooKeeperSettings
    ssh: SshSettings
    database: DatabaseSettings
    replication: ReplicationSettings
    pgbouncer: PgBouncerSettings = PgBouncerSettings()
    notifications: NotificationSettings = NotificationSettings()
    playbooks: Path = OWN_PLAYBOOKS
    """The folder of the hospital's own playbooks; it need not exist."""
    audit: AuditSettings = AuditSettings()
    file: str = ""
    """Where it was read; empty when it came from memory."""
    drills: DrillSettings = field(default_factory=DrillSettings)
    warnings: tuple[Problem, ...] = ()
    """What works and is unwise."""
    effective: Mapping[str, str] = field(default_factory=dict)
    """Every value by key path, as the file would write it, defaults included; secrets as their references."""

    @property
    def zookeeper_addresses(self) -> tuple[Address, ...]:
        """The ensemble: one voter a center."""
        return tuple(center.zookeeper for center in self.topology.centers)

    @property
    def digest(self) -> str:
        """SHA-256 of the effective values: equal in two centers exactly when the files mean the same."""
        text = "\n".join(f"{key}={self.effective[key]}" for key in sorted(self.effective))
        return hashlib.sha256(text.encode()).hexdigest()
