"""Proof of what happened: markers, discarded WAL, reports."""
