"""Which drctl this is."""

from __future__ import annotations


def version() -> str:
    """The installed version."""
    # Reading it takes as long as all of `drctl list` otherwise imports, and most commands do not need it.
    from importlib import metadata  # noqa: PLC0415

    return metadata.version("drctl")
