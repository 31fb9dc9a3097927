"""pgbouncer.ini: a pool whose connections go through its own center's HAProxy, so that a switchover only pauses it."""

from __future__ import annotations

from collections.abc import Sequence

from drctl.routing.doors import Door

LISTEN_PORT = 6432

_HEAD = """\
; Written by `drctl routing pgbouncer`. See docs/how-to/routing.md.
[databases]
"""

_POOL = """
[pgbouncer]
listen_addr = {listen}
listen_port = {port}
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
; drctl pauses and resumes the pool during a switchover.
admin_users = {admin}
; Only between transactions can a pool be paused while clients stay connected.
pool_mode = transaction
default_pool_size = 40
max_client_conn = 2000
ignore_startup_parameters = extra_float_digits,options
; A primary that has just changed is tried again at once, not after 15 s.
server_login_retry = 0.1
server_connect_timeout = 2
; Longer than any switchover within its budget of seconds, shorter than people's patience.
query_wait_timeout = 20
server_lifetime = 3600
tcp_keepalive = 1
tcp_keepidle = 1
tcp_keepintvl = 1
tcp_keepcnt = 2
tcp_user_timeout = 1000
"""


def pgbouncer(
    doors: Sequence[Door], databases: Sequence[str], *, host: str, listen: str, listen_port: int, admin: str
) -> str:
    """The configuration of a PgBouncer beside the HAProxy at `host`.

    With one group and no database named, every database is that group's.
    """
    lines = [
        f"{name if len(doors) == 1 else f'{name}_{door.group.name}'} = host={host} port={door.write_port}"
        + ("" if name == "*" or len(doors) == 1 else f" dbname={name}")
        for door in doors
        for name in databases or ("*",)
    ]
    return _HEAD + "\n".join(lines) + "\n" + _POOL.format(listen=listen, port=listen_port, admin=admin)
