"""The form of cluster.yaml: which keys there are. Its JSON schema is generated from these classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from drctl.config.configuration import OWN_CHECKS, OWN_PLAYBOOKS
from drctl.config.policy_keys import PolicyEntry
from drctl.config.scalars import (
    Count,
    CronText,
    DayText,
    Duration,
    Expected,
    FilePath,
    FolderPath,
    HostName,
    HttpAddress,
    Label,
    LanguageWord,
    Line,
    MailAddress,
    Name,
    PerMinute,
    Port,
    RoleName,
    RootPath,
    SecretReference,
    SecurityWord,
    Size,
    SslMode,
    ZooKeeperAddress,
    choice,
)
from drctl.drill.calendar import Days
from drctl.model.drill import DrillKind
from drctl.model.event import Severity
from drctl.model.topology import MemberKind

if TYPE_CHECKING:
    from drctl.config.problem import KeyPath

    # mypy cannot read types that are made when the program runs.
    PolicyKeys = BaseModel
    Kind = MemberKind
    DrillKindWord = DrillKind
    DaysWord = Days
    SeverityWord = Severity
else:
    PolicyKeys = PolicyEntry
    Kind = choice(MemberKind)
    DrillKindWord = choice(DrillKind)
    DaysWord = choice(Days)
    SeverityWord = choice(Severity)


class Entry(BaseModel):
    """A mapping of the file. A key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ZooKeeperEntry(Entry):
    """How the controllers agree."""

    root: RootPath = "/drctl"
    """All znodes of drctl are below it; clusters that share an ensemble differ in `cluster` or here."""
    session_timeout: Duration = 1.5
    """After which ZooKeeper takes a silent controller for gone."""


class CenterEntry(Entry):
    """A failure domain, with one ZooKeeper voter and one controller."""

    label: Label | None = None
    """What people call it; without it its name."""
    zookeeper: ZooKeeperAddress
    """Of its ZooKeeper server, with the port for clients."""
    http: HttpAddress
    """Where its controller answers."""


class SshEntry(Entry):
    """How controllers reach drctl-host on the members' hosts."""

    user: RoleName = "postgres"
    """Who logs in; the owner of the databases."""
    port: Port = 22
    """Of sshd on every member's host."""
    identity: FilePath
    """The private key, readable to the controller alone."""
    known_hosts: FilePath
    """The hosts' public keys. Strict: an unknown or a changed key is refused."""


class DatabaseEntry(Entry):
    """How controllers look at databases: a role with pg_monitor and drctl's own schema, no more."""

    user: RoleName = "drctl"
    """The role that `drctl init` creates."""
    password: SecretReference | None = None
    """A reference; without it libpq's password file is asked."""
    dbname: RoleName = "postgres"
    """The database that holds drctl's marker table."""
    sslmode: SslMode = "prefer"
    """As libpq understands it."""


class ReplicationEntry(Entry):
    """How standbys stream; the role exists before `drctl init`."""

    user: RoleName = "replicator"
    """The role that standbys connect with."""


class AuditEntry(Entry):
    """What was decided and done, as a chain that shows every change."""

    directory: FolderPath | None = None
    """Of this center's copy. Without it: `audit` in the folder that systemd gives the controller, else
    /var/lib/drctl/audit."""


class MemberEntry(Entry):
    """One PostgreSQL instance. Its name is also the `application_name` of its WAL receiver."""

    center: Name
    """The center that it stands in."""
    host: HostName
    """Of its PostgreSQL, and of the sshd beside it."""
    port: Port = 5432
    """Of its PostgreSQL."""
    priority: Count = 0
    """Among equally advanced heirs the greater wins."""
    kind: Kind = MemberKind.PEER
    """`peer` may be primary; `satellite` follows for local reads only."""


class PgBouncerEntry(Entry):
    """How controllers reach the admin consoles of PgBouncers."""

    user: RoleName = "drctl"
    """One of their `admin_users`."""
    password: SecretReference | None = None
    """A reference; without it libpq's password file is asked."""
    sslmode: SslMode = "prefer"
    """As libpq understands it."""


class PoolEntry(Entry):
    """A PgBouncer that clients of the group go through. A switchover pauses and resumes it."""

    host: HostName
    """Where it is."""
    port: Port = 6432
    """Of its clients and of its admin console."""
    databases: list[RoleName] = []
    """Its databases that lead to this group; without them, all of it."""
    route: HttpAddress | None = None
    """Where its own connections go: the HAProxy behind it. It is resumed once that leads to a primary."""


class GroupEntry(Entry):
    """One replicated database."""

    home: Name
    """The center where its primary belongs when all is well."""
    members: dict[Name, MemberEntry] = Field(min_length=1)
    """Its members by name."""
    after: list[Name] = []
    """Groups that must be served before an operation on this one begins."""
    pgbouncers: dict[Name, PoolEntry] = {}
    """What its clients go through, by name; see [Clients find the primary](../how-to/routing.md)."""
    policy: PolicyKeys = PolicyEntry()
    """What is different for this group from the deployment's policy."""


class DrillEntry(Entry):
    """A drill that comes again and again."""

    kind: DrillKindWord = DrillKind.BUBBLE
    """`live` moves the group and brings it home, `bubble` touches nothing that serves, `tabletop` is for people."""
    group: Name
    """The group that it is of."""
    at: CronText
    """When, as cron writes it, in local time (+08:00): minute, hour, day, month, weekday."""
    window: Duration = 1800.0
    """How long after its time it may still begin; later it is skipped."""
    days: DaysWord = Days.ANY
    """`workdays` and `restdays` follow the Chinese public holidays, shifted workdays included."""
    to: Name | None = None
    """The center that a live drill goes to; without it the best standby's."""
    stay: Duration = 600.0
    """How long a live drill stays there."""


class FreezeEntry(Entry):
    """A time in which no drill of the calendar runs."""

    first: DayText
    """Its first day."""
    last: DayText
    """Its last day."""


class DrillsEntry(Entry):
    """How drills are run, and when."""

    checks: FolderPath = OWN_CHECKS
    """The hospital's own business checks; each replaces the one of its name that came with drctl. It need not exist."""
    user: RoleName | None = None
    """The role that business checks run as, with the rights of the application; without it the role of `database`."""
    password: SecretReference | None = None
    """A reference; without it libpq's password file is asked."""
    dbname: RoleName | None = None
    """The database that the business is in; without it that of `database`."""
    copy_rate: Size = 32 << 20
    """A second, at most, while a standby is copied for a bubble."""
    keep_free: Size = 2 << 30
    """What a copy must leave free on its disk, else it does not begin."""
    announce: Duration = 86400.0
    """How long before its time a drill of the calendar is announced."""
    calendar: dict[Name, DrillEntry] = {}
    """Drills that come again and again, by name."""
    freezes: dict[Name, FreezeEntry] = {}
    """Times in which none of them runs, by name."""


class ChannelEntry(Entry):
    """One way to people."""

    severity: SeverityWord = Severity.WARNING
    """The least that is sent: `info`, `warning` or `alarm`."""
    language: LanguageWord | None = None
    """Without it, that of all notifications."""
    per_minute: PerMinute = 10
    """Messages at most; more are counted, and the count is told."""


class WebhookEntry(ChannelEntry):
    """A program of the hospital's that takes JSON."""

    url: SecretReference
    """Where its address is kept."""
    token: SecretReference | None = None
    """Sent as `Authorization: Bearer`."""


class WeComEntry(ChannelEntry):
    """A group robot of WeCom (企业微信)."""

    url: SecretReference
    """Where its address is kept, key included."""


class DingTalkEntry(ChannelEntry):
    """A group robot of DingTalk (钉钉)."""

    url: SecretReference
    """Where its address is kept, access token included."""
    secret: SecretReference | None = None
    """With which messages are signed (加签)."""


class MailEntry(ChannelEntry):
    """A mail server and those who read."""

    host: HostName
    """The mail server."""
    port: Port = 25
    """Usually 25; with `security: starttls` 587, with `tls` 465."""
    security: SecurityWord = "none"
    """`none`, `starttls` or `tls`; the server's certificate is checked."""
    user: Line | None = None
    """As whom to log in; without it nobody does."""
    password: SecretReference | None = None
    """A reference."""
    sender: MailAddress
    """From whom."""
    recipients: list[MailAddress] = Field(min_length=1)
    """To whom."""


class NotificationsEntry(Entry):
    """Who is told what happened. The leader tells; each controller tells of its own lost coordinator."""

    language: LanguageWord = "zh"
    """`zh` or `en`."""
    webhooks: dict[Name, WebhookEntry] = {}
    """Programs of the hospital's, by name."""
    mail: dict[Name, MailEntry] = {}
    """Mail, by name."""
    wecom: dict[Name, WeComEntry] = {}
    """Robots of WeCom, by name."""
    dingtalk: dict[Name, DingTalkEntry] = {}
    """Robots of DingTalk, by name."""


class ClusterEntry(Entry):
    """A deployment of drctl: the same file in every center."""

    cluster: Name
    """The deployment's name; its records in ZooKeeper are below it."""
    zookeeper: ZooKeeperEntry = ZooKeeperEntry()
    """How the controllers agree."""
    centers: dict[Name, CenterEntry] = Field(min_length=1)
    """The failure domains, by name: three, or another odd number."""
    ssh: SshEntry
    """How controllers reach drctl-host."""
    database: DatabaseEntry = DatabaseEntry()
    """How controllers look at databases."""
    replication: ReplicationEntry = ReplicationEntry()
    """How standbys stream."""
    pgbouncer: PgBouncerEntry = PgBouncerEntry()
    """How controllers reach the admin consoles of the groups' PgBouncers."""
    playbooks: FolderPath = OWN_PLAYBOOKS
    """The hospital's own playbooks; each replaces the one of its kind that came with drctl. It need not exist."""
    audit: AuditEntry = AuditEntry()
    """What was decided and done, as a chain that shows every change."""
    groups: dict[Name, GroupEntry] = Field(min_length=1)
    """The replicated databases, by name."""
    drills: DrillsEntry = DrillsEntry()
    """How drills are run, and when."""
    notifications: NotificationsEntry = NotificationsEntry()
    """Who is told what happened."""
    policy: PolicyKeys = PolicyEntry()
    """Times, numbers and choices for every group."""


def entry_at(path: KeyPath) -> type[BaseModel] | None:
    """The class of the mapping at `path`; None when it is no mapping with known keys."""
    found: object = ClusterEntry
    for key in path:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(str(key))
            found = field.annotation if field is not None else None
        elif get_origin(found) is dict:
            found = get_args(found)[1]
        else:
            return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def expected_at(path: KeyPath) -> Expected | None:
    """What the single value at `path` should be; None when it is a mapping or a list, or no known key."""
    if not path:
        return None
    entry = entry_at(path[:-1])
    if entry is not None:
        return entry_expected(entry, str(path[-1]))
    # A name that is a key, or an item of a list of names.
    names = get_args(GroupEntry.model_fields["after"].annotation)[0]
    return _expected_in(names.__metadata__)


def entry_expected(entry: type[BaseModel], key: str) -> Expected | None:
    """What the value of an entry's key should be; None when it is a mapping or a list, or no known key."""
    field = entry.model_fields.get(key)
    if field is None or get_origin(field.annotation) in {dict, list}:
        return None
    if (found := _expected_in(field.metadata)) is not None:
        return found
    # `Label | None`: what was said of the type stands inside the union.
    for part in get_args(field.annotation):
        if (found := _expected_in(getattr(part, "__metadata__", ()))) is not None:
            return found
    return None


def _expected_in(metadata: Iterable[object]) -> Expected | None:
    return next((part for part in metadata if isinstance(part, Expected)), None)
