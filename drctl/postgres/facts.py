"""What a member says of itself: what cannot change within a session once, the rest in one statement of one row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg

from drctl.model.position import Lsn, Timeline, parse_lsn
from drctl.model.report import MemberFacts, ReceiverFacts, StandbyFacts

NEVER_S = 1e9
"""Age of a message that never came."""

IDENTITY_SQL = """
SELECT current_setting('server_version_num'), (SELECT system_identifier::text FROM pg_control_system()),
  extract(epoch FROM pg_postmaster_start_time())::text
"""
# A sub-select that nothing asks for is not run: only a standby that receives nothing reads the control file.
FACTS_SQL = """
SELECT json_build_object(
  'in_recovery', r.rec,
  'timeline', CASE WHEN r.rec THEN (SELECT timeline_id FROM pg_control_checkpoint() WHERE w.tli IS NULL)
              ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  'written', CASE WHEN r.rec THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text
             ELSE pg_current_wal_flush_lsn()::text END,
  'replayed', CASE WHEN r.rec THEN pg_last_wal_replay_lsn()::text END,
  'sync', current_setting('synchronous_standby_names'),
  'commit', current_setting('synchronous_commit'),
  'conninfo', CASE WHEN r.rec THEN current_setting('primary_conninfo') END,
  'receiver', CASE WHEN w.pid IS NOT NULL THEN json_build_object('status', w.status, 'host', w.host, 'port', w.port,
      'tli', w.tli, 'age', w.age) END,
  'standbys', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'address', host(client_addr),
      'state', state, 'sync', sync_state, 'flush', flush_lsn::text, 'replay', replay_lsn::text)), '[]'::json)
      FROM pg_stat_replication))::text
FROM (SELECT pg_is_in_recovery() AS rec) r
LEFT JOIN (SELECT pid, status, sender_host AS host, sender_port AS port, received_tli AS tli,
  extract(epoch FROM clock_timestamp() - last_msg_receipt_time) AS age FROM pg_stat_wal_receiver) w ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What cannot change while a session lives."""

    version_num: int
    system_identifier: str
    started_at_s: float


def parse_identity(row: tuple[str | None, ...]) -> Identity:
    """The row of IDENTITY_SQL."""
    version_num, system_identifier, started_at_s = row
    return Identity(
        version_num=int(version_num or 0),
        system_identifier=system_identifier or "",
        started_at_s=float(started_at_s or 0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer."""

    facts: MemberFacts
    commit_setting: str
    """`synchronous_commit` of our own session, which asks for nothing special."""


def parse_facts(text: str, identity: Identity) -> Answer:
    """The row of FACTS_SQL."""
    said: dict[str, Any] = json.loads(text)
    receiver = said["receiver"]
    written = _lsn(said["written"]) or Lsn(0)
    facts = MemberFacts(
        in_recovery=said["in_recovery"],
        version_num=identity.version_num,
        system_identifier=identity.system_identifier,
        timeline=Timeline(int((receiver and receiver["tli"]) or said["timeline"] or 0)),
        written_lsn=written,
        replayed_lsn=(_lsn(said["replayed"]) or Lsn(0)) if said["in_recovery"] else written,
        sync_names=said["sync"],
        started_at_s=identity.started_at_s,
        receiver=None
        if receiver is None
        else ReceiverFacts(
            status=receiver["status"] or "",
            sender_host=receiver["host"] or "",
            sender_port=int(receiver["port"] or 0),
            received_timeline=Timeline(int(receiver["tli"] or 0)),
            last_message_age_s=float(receiver["age"] if receiver["age"] is not None else NEVER_S),
        ),
        upstream=upstream_of(said["conninfo"] or ""),
        standbys=tuple(
            StandbyFacts(
                name=standby["name"],
                address=standby["address"] or "",
                state=standby["state"] or "",
                sync_state=standby["sync"] or "",
                flushed_lsn=_lsn(standby["flush"]),
                replayed_lsn=_lsn(standby["replay"]),
            )
            for standby in said["standbys"]
        ),
    )
    return Answer(facts=facts, commit_setting=said["commit"])


def _lsn(text: str | None) -> Lsn | None:
    return None if text is None else parse_lsn(text)


@lru_cache(maxsize=256)
def upstream_of(conninfo: str) -> str:
    """`host:port` of a `primary_conninfo`; empty when it names no host, or cannot be read."""
    try:
        words = psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.Error:
        return ""
    host = str(words.get("host") or words.get("hostaddr") or "")
    return f"{host}:{words.get('port') or 5432}" if host else ""
