"""What a member says of itself: one statement, one row."""

from __future__ import annotations

import json
from typing import Any

from drctl.model.position import Lsn, Timeline, parse_lsn
from drctl.model.report import MemberFacts, ReceiverFacts, StandbyFacts, SyncOverride

FACTS_SQL = """
SELECT json_build_object(
  'in_recovery', r.rec,
  'version', current_setting('server_version_num')::int,
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN r.rec THEN (SELECT timeline_id FROM pg_control_checkpoint())
              ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  'written', CASE WHEN r.rec THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text
             ELSE pg_current_wal_flush_lsn()::text END,
  'replayed', CASE WHEN r.rec THEN pg_last_wal_replay_lsn()::text ELSE pg_current_wal_flush_lsn()::text END,
  'sync', current_setting('synchronous_standby_names'),
  'started', extract(epoch FROM pg_postmaster_start_time()),
  'conninfo', current_setting('primary_conninfo'),
  'receiver', (SELECT json_build_object('status', status, 'host', sender_host, 'port', sender_port,
      'tli', received_tli, 'age', extract(epoch FROM clock_timestamp() - last_msg_receipt_time))
      FROM pg_stat_wal_receiver WHERE pid IS NOT NULL),
  'standbys', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'address', host(client_addr),
      'state', state, 'sync', sync_state, 'flush', flush_lsn::text, 'replay', replay_lsn::text)), '[]'::json)
      FROM pg_stat_replication))
FROM (SELECT pg_is_in_recovery() AS rec) r
"""


def parse_facts(text: str) -> MemberFacts:
    """Facts out of the statement's JSON."""
    said: dict[str, Any] = json.loads(text)
    receiver = said["receiver"]
    return MemberFacts(
        in_recovery=said["in_recovery"],
        version_num=said["version"],
        system_identifier=said["system"],
        timeline=Timeline(int(receiver["tli"]) if receiver else said["timeline"]),
        written_lsn=_lsn(said["written"]) or Lsn(0),
        replayed_lsn=_lsn(said["replayed"]) or Lsn(0),
        sync_names=said["sync"],
        started_at_s=float(said["started"]),
        receiver=None
        if receiver is None
        else ReceiverFacts(
            status=receiver["status"] or "",
            sender_host=receiver["host"] or "",
            sender_port=int(receiver["port"] or 0),
            received_timeline=Timeline(int(receiver["tli"] or 0)),
            last_message_age_s=float(receiver["age"] if receiver["age"] is not None else 1e9),
        ),
        upstream=_upstream(said["conninfo"] or ""),
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
        overrides=tuple[SyncOverride, ...](),
    )


def _lsn(text: str | None) -> Lsn | None:
    return None if text is None else parse_lsn(text)


def _upstream(conninfo: str) -> str:
    words = dict(word.partition("=")[::2] for word in conninfo.split())
    host = words.get("host", "").strip("'")
    return f"{host}:{words.get('port', '5432').strip(chr(39))}" if host else ""
