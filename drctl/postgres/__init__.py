"""The Database port over psycopg: the only place that knows it."""

from __future__ import annotations

from drctl.postgres.database import PostgresDatabase

__all__ = ["PostgresDatabase"]
