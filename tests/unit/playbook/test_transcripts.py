"""Runs told line by line: who begins what, when, and what follows. `python -m tests.unit.playbook.test_transcripts` writes
the last part of every file anew; read what it changed before you keep it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.playbook.transcript import Story

FOLDER = Path(__file__).parent / "transcripts"
FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_happens_as_it_is_told(file: Path) -> None:
    story = Story.read(file)
    assert story.tell() == story.told, story.title


def test_there_are_transcripts() -> None:
    assert len(FILES) >= 15


if __name__ == "__main__":
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        head, _, _ = text.partition("=== transcript\n")
        file.write_text(f"{head}=== transcript\n{Story.read(file).tell()}", encoding="utf-8")
