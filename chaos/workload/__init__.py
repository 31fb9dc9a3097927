"""The load of a laboratory information system, with a synced ledger of every intent and every outcome."""
