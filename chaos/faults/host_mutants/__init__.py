"""Modules that are packed into the host's program, each to take one rule out of it."""
