"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.source import files, name, text

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", text(path), flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_of_a_document_leads_somewhere():
    broken = []
    for page in files(".md"):
        for link in LINK.findall(CODE.sub("", text(page))):
            if re.match(r"[a-z]+:", link):
                continue
            to, _, anchor = link.partition("#")
            target = (page.parent / to).resolve() if to else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                broken.append(f"{name(page)}: {link}")
    assert broken == []
