"""Acknowledged operations a second, drawn with block characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 60
_HEIGHT = 4
_ZERO = "·"
"""Nothing was acknowledged: that must not look like an empty margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment that is pointed at."""

    at_s: float
    """After the start of the plot."""
    label: str


def sparkline(values: Sequence[float], *, width: int = _WIDTH) -> str:
    """One line of blocks for the last `width` values, scaled to the greatest; a dot for zero."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    return "".join(_ZERO if value <= 0 else _BLOCKS[max(1, round(value / top * 8))] for value in shown)


def plot_rate(
    counts: Sequence[int],
    bucket_s: float,
    *,
    marks: Sequence[Mark] = (),
    outage_s: tuple[float, float] | None = None,
    width: int = _WIDTH,
    height: int = _HEIGHT,
) -> Text:
    """A plot of `counts`, acknowledgements in buckets of `bucket_s`; `outage_s` (from, to) is drawn in red."""
    total_s = len(counts) * bucket_s
    rates = [_mean(counts, bucket_s, column, width) for column in range(width)]
    top = _top(rates)
    margin = len(f"{top:.0f}/s ")
    column_s = total_s / width if counts else 1.0
    middles_s = [(column + 0.5) * column_s for column in range(width)]
    down = [outage_s is not None and outage_s[0] <= middle_s <= outage_s[1] for middle_s in middles_s]
    text = Text()
    for row in reversed(range(height)):
        text.append((f"{top:.0f}/s " if row == height - 1 else "").rjust(margin), style="dim")
        text.append("│", style="dim")
        for rate, is_down in zip(rates, down, strict=True):
            text.append(_cell(rate / top * height, row, is_down=is_down), style="red" if is_down else "green")
        text.append("\n")
    text.append("0/s ".rjust(margin) + "└", style="dim")
    for is_down in down:
        text.append("━" if is_down else "─", style="bold red" if is_down else "dim")
    text.append(f" {total_s:.0f} s\n", style="dim")
    for mark in sorted(marks, key=lambda mark: mark.at_s):
        column = min(width - 1, max(0, int(mark.at_s / column_s)))
        text.append(f"{' ' * (margin + 1 + column)}▲ ", style="bold")
        text.append(f"{mark.label} ({mark.at_s:.1f} s)\n")
    return text


def _mean(counts: Sequence[int], bucket_s: float, column: int, width: int) -> float:
    """The rate in one column: of the buckets that it covers, of one at least."""
    first = column * len(counts) // width
    after = max(first + 1, (column + 1) * len(counts) // width)
    covered = counts[first:after]
    return sum(covered) / (len(covered) * bucket_s) if covered else 0.0


def _top(rates: Sequence[float]) -> float:
    """The scale: room for the usual rate. The burst of what had waited is cut off, or it would flatten all else."""
    usual = sorted(rate for rate in rates if rate > 0)
    return min(usual[-1], 1.5 * usual[len(usual) // 2]) if usual else 1.0


def _cell(level: float, row: int, *, is_down: bool) -> str:
    """The block of one row of a column that is `level` rows high."""
    if level <= 0:
        return (_ZERO if is_down else " ") if row == 0 else " "
    eighths = round(level * 8) - row * 8
    return _BLOCKS[max(0 if row else 1, min(8, eighths))]
