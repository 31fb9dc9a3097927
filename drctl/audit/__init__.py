"""The chain of what was decided and done: every event carries the SHA-256 of the one before. No input or output here."""
