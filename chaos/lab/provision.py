"""Making a group: one initdb, two copies of its result, three members that stream."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab.host import DATABASE_USER, group_id, user_id
from chaos.lab.postgres import REPLICATOR, SUPERUSER, Member, conninfo, wait_streaming

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHARED_MEMORY = Path("/proc/sysvipc/shm")
# What differs between members stays out of the data folder: a rewind or a base backup replaces postgresql.conf by the
# one of its source.
INCLUDE = """
# The member's own settings; a copy of this folder elsewhere finds those of its own place.
include '../member.conf'
"""
SETTINGS = """\
cluster_name = '{name}'
listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{socket_dir}'
max_connections = 200
shared_buffers = 64MB
# Not in /dev/shm: what a killed postmaster leaves goes with the lab's folder.
dynamic_shared_memory_type = mmap
fsync = on
wal_level = replica
wal_log_hints = on
wal_keep_size = 512MB
max_wal_senders = 10
max_replication_slots = 10
hot_standby = on
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a '
log_replication_commands = on
jit = off
"""
ACCESS = """\
# TYPE  DATABASE     USER  ADDRESS  METHOD
local   all          all            trust
local   replication  all            trust
host    all          all   {subnet}  trust
host    replication  all   {subnet}  trust
"""


def make_group(members: Sequence[Member], *, primary: Member, subnet: str, database: str | None) -> None:
    """Make the members' data folders and start them; return when both standbys stream."""
    for member in members:
        _make_folder(member)
    _make_primary(primary, subnet=subnet, database=database)
    standbys = [member for member in members if member is not primary]
    with ThreadPoolExecutor(max_workers=len(standbys)) as pool:
        list(pool.map(lambda standby: _copy(primary, standby), standbys))
    for member in [primary, *standbys]:
        member.start()
    for member in members:
        member.wait_ready()
    wait_streaming(primary, len(standbys))


def _make_folder(member: Member) -> None:
    for folder in (member.folder, member.socket_dir):
        folder.mkdir(mode=0o755, parents=True)
        shutil.chown(folder, user_id(DATABASE_USER), group_id(DATABASE_USER))
    (member.folder / "member.conf").write_text(
        SETTINGS.format(name=member.name, address=member.host.address, port=member.port, socket_dir=member.socket_dir)
    )


def _make_primary(primary: Member, *, subnet: str, database: str | None) -> None:
    programs, pgdata, run = primary.programs, primary.pgdata, primary.host.run
    run(
        [
            *(programs.path("initdb"), "-D", pgdata, "-U", SUPERUSER, "--data-checksums", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ],
        as_user=DATABASE_USER,
        kind=primary.kind,
        timeout_s=60,
    )
    with (pgdata / "postgresql.conf").open("a") as stream:
        stream.write(INCLUDE)
    (pgdata / "pg_hba.conf").write_text(ACCESS.format(subnet=subnet))
    statements = [f"create role {REPLICATOR} replication login"]
    if database is not None:
        statements.append(f'create database "{database}"')
    # Without a server: it saves a start and a stop, and leaves a folder that was shut down cleanly and can be copied.
    # -F: nothing here needs to survive a power loss before the lab is up.
    run(
        [programs.path("postgres"), "--single", "-F", "-D", pgdata, "postgres"],
        as_user=DATABASE_USER,
        kind=primary.kind,
        stdin_text="".join(f"{statement};\n" for statement in statements),
    )


def _copy(primary: Member, standby: Member) -> None:
    run = standby.host.run
    run(["cp", "-a", primary.pgdata, standby.pgdata], as_user=DATABASE_USER, kind=standby.kind)
    upstream = conninfo(
        host=primary.host.address, port=primary.port, user=REPLICATOR, application_name=standby.name, connect_timeout=3
    )
    (standby.pgdata / "standby.signal").touch()
    with (standby.pgdata / "postgresql.auto.conf").open("a") as stream:
        stream.write(f"primary_conninfo = '{upstream}'\n")
    shutil.chown(standby.pgdata / "standby.signal", user_id(DATABASE_USER), group_id(DATABASE_USER))


def forget_shared_memory(folders: Iterable[Path]) -> None:
    """Remove the System V segments that killed postmasters left: the kernel keeps them until someone does.

    PostgreSQL takes the number of its data folder's inode as the key, or the next free one after it.
    """
    keys = {folder.stat().st_ino & 0x7FFFFFFF for folder in folders}
    owner = str(user_id(DATABASE_USER))
    for line in SHARED_MEMORY.read_text().splitlines()[1:]:
        key, segment, _, _, _, _, attached, user, *_ = line.split()
        ours = any(0 <= (int(key) & 0x7FFFFFFF) - first < 4 for first in keys)
        if ours and attached == "0" and user == owner:
            subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False, timeout=5)
