"""`drctl-host`: what runs on a database host. Standard library only, and no other part of drctl.

It must start in a few tens of milliseconds on whatever Python (3.9 or newer) a database host has, so values are NamedTuples
(`dataclasses` alone imports `inspect` and costs 8 ms) and modules that few commands need are imported where they are used.
"""

from __future__ import annotations

VERSION = "0.1.0"
"""The same as drctl's own; told to controllers, which refuse to mix."""
