"""Members and what is seen of them, for the tests of the Database adapter."""

from __future__ import annotations

from dataclasses import replace

from drctl.model.identity import CenterName, GroupName, MemberName
from drctl.model.policy import Policy
from drctl.model.topology import Group, Member
from drctl.postgres.portrait import Portrait, Sender

HOSTS = {"lis-zhaohui": "192.168.2.10", "lis-yuecheng": "192.168.2.20", "lis-fuyang": "192.168.2.30"}
A, B, C = (MemberName(name) for name in HOSTS)
GOOD_SETTINGS = {
    "archive_mode": "off",
    "data_checksums": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "hot_standby": "on",
    "hot_standby_feedback": "off",
    "max_connections": "100",
    "max_locks_per_transaction": "64",
    "max_prepared_transactions": "0",
    "max_slot_wal_keep_size": "-1",
    "max_standby_streaming_delay": "30000",
    "max_wal_senders": "10",
    "max_worker_processes": "8",
    "primary_slot_name": "",
    "recovery_min_apply_delay": "0",
    "recovery_target_timeline": "latest",
    "restart_after_crash": "on",
    "statement_timeout": "0",
    "sync_replication_slots": "off",
    "synchronized_standby_slots": "",
    "synchronous_commit": "on",
    "synchronous_standby_names": 'ANY 1 ("lis-yuecheng", "lis-fuyang")',
    "wal_keep_size": "1024",
    "wal_level": "replica",
    "wal_log_hints": "off",
    "wal_receiver_status_interval": "1",
    "wal_receiver_timeout": "5000",
    "wal_retrieve_retry_interval": "200",
    "wal_sender_timeout": "5000",
}


def a_member(name: str = A, *, port: int = 5432, host: str = "") -> Member:
    return Member(
        name=MemberName(name),
        group=GroupName("lis"),
        center=CenterName(name.removeprefix("lis-")),
        host=host or HOSTS[name],
        port=port,
    )


def a_group() -> Group:
    return Group(
        name=GroupName("lis"),
        home=CenterName("zhaohui"),
        members=tuple(a_member(name) for name in HOSTS),
        policy=Policy(),
    )


def a_sender(name: str, **changed) -> Sender:
    sender = Sender(name=name, address=HOSTS.get(name, ""), state="streaming", lag_bytes=0)
    return replace(sender, **changed)


def a_portrait(name: str = A, *, settings: dict[str, str] | None = None, **changed) -> Portrait:
    """Of a healthy member: zhaohui is the primary."""
    portrait = Portrait(
        member=MemberName(name),
        in_recovery=name != A,
        version_num=180003,
        system_identifier="7711720866670471527",
        settings=GOOD_SETTINGS | (settings or {}),
        senders=(a_sender(B), a_sender(C)) if name == A else (),
        address=HOSTS[name],
        receives_from="" if name == A else f"{HOSTS[A]}:5432",
        calls_itself="" if name == A else name,
    )
    return replace(portrait, **changed)


def portraits(**changed: Portrait) -> dict[MemberName, Portrait]:
    """Of all three, where `zhaohui=`, `yuecheng=`, `fuyang=` replace one."""
    return {MemberName(name): changed.get(name.removeprefix("lis-"), a_portrait(name)) for name in HOSTS}
