"""Pages of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

MADE = "<!-- Made by `make reference` from the code. Edit the code, not this page. -->\n"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def page(title: str, *parts: str) -> str:
    """A page that is made, with a note that it is."""
    return "\n".join([MADE, f"# {title}\n", *parts])
