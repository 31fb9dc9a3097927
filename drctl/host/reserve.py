"""To keep timeline numbers apart: no two promotions of a group may give theirs the same one.

A promotion takes the lowest number that its own `pg_wal` does not know of. An heir that failed before anybody followed it
leaves a number that the next heir, which never heard of it, would take again; the two histories could not be told apart by
their numbers, and a later choice of an heir by (timeline, position) could fall on the dead one. So the number is given by
whoever chose the heir, and the numbers before it are taken here by history files.

What such a file says is true enough: "this timeline leaves ours where ours ends, and holds nothing". PostgreSQL goes on with
it after a crash, hands it to standbys that ask for every history between theirs and the newest, and builds the new history
on it. It must be no other's: a file that does not name our timeline would keep the server from starting.

Source: PostgreSQL `timeline.c` (findNewestTimeLine, readTimeLineHistory), `xlogrecovery.c` (rescanLatestTimeLine,
InitWalRecovery), `walreceiver.c` (WalRcvFetchTimeLineHistoryFiles); read for versions 15 and 18.
"""

from __future__ import annotations

from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.files import write_durably
from drctl.host.psql import Session
from drctl.host.seal import replay_to_the_end, timeline_at
from drctl.host.timeline import history_name
from drctl.host.wal import format_lsn, parse_lsn
from drctl.host.walend import read_histories

RESERVED_MAX = 1000
"""Numbers that one promotion skips at most: more would be a mistake somewhere."""


def reserve(member: Member, session: Session, timeline_min: int, deadline: Deadline) -> None:
    """Take the numbers below `timeline_min` that the next promotion would find free. The member is a sealed standby."""
    if not timeline_min:
        return
    # Where its history ends is known when everything has been replayed; until then its position may still move.
    replay_to_the_end(session, deadline)
    received, replayed, size = session.row(
        "SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_size_bytes(current_setting('wal_segment_size'))",
        deadline,
    )
    lsn = parse_lsn(replayed or received or "0/0")
    own = timeline_at(member, lsn, int(size or 0))
    histories = read_histories(member)
    newest = own
    while newest + 1 in histories:
        newest += 1
    assert timeline_min - newest <= RESERVED_MAX, f"timeline {timeline_min} is asked for, {newest} is the newest here"
    text = histories.get(own, "")
    text += f"{'' if not text or text.endswith(chr(10)) else chr(10)}{own}\t{format_lsn(lsn)}\treserved by drctl\n"
    for number in range(newest + 1, timeline_min):
        write_durably(member.wal_dir / history_name(number), text.encode())
