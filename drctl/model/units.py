"""Durations and sizes as people write them: `500ms`, `2s`, `10m`, `1h`, `16MiB`."""

from __future__ import annotations

import re

DURATION_PATTERN = r"^\d+(\.\d+)?(ms|s|m|h)$"
SIZE_PATTERN = r"^\d+(B|KiB|MiB|GiB)$"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_duration_s(text: str) -> float:
    """`1.5s` as seconds. Raises ValueError when `text` is no duration; a number without a unit is none."""
    if not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(f"not a duration: {text!r} (expected a number and a unit: 500ms, 2s, 10m, 1h)")
    number = text.rstrip("msh")
    # Milliseconds by division, so that 500ms is exactly 0.5.
    return float(number) / 1000 if text.endswith("ms") else float(number) * _SECONDS[text[len(number) :]]


def format_duration(seconds: float) -> str:
    """Seconds in the greatest unit that writes them without a fraction: 0.5 is `500ms`, 600.0 is `10m`."""
    if seconds == 0:
        return "0s"
    for unit in ("h", "m", "s"):
        if seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{round(seconds * 1000, 3):.3f}".rstrip("0").rstrip(".") + "ms"


def parse_size_bytes(text: str) -> int:
    """`16MiB` as bytes. Raises ValueError when `text` is no size; `MB`, which means two things, is none."""
    if not re.fullmatch(SIZE_PATTERN, text, re.ASCII):
        raise ValueError(f"not a size: {text!r} (expected a whole number and a unit: 512B, 64KiB, 16MiB, 1GiB)")
    number = text.rstrip("BKiMG")
    return int(number) * _BYTES[text[len(number) :]]


def format_size(size_bytes: int) -> str:
    """Bytes in the greatest unit that writes them without a fraction: 16777216 is `16MiB`."""
    if size_bytes == 0:
        return "0B"
    for unit in ("GiB", "MiB", "KiB"):
        if size_bytes % _BYTES[unit] == 0:
            return f"{size_bytes // _BYTES[unit]}{unit}"
    return f"{size_bytes}B"
