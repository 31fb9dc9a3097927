"""The console's files, and the runbooks that its alarms lead to: read once, and answered from memory by their names."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from drctl.telemetry.answers import CONSOLE, Answer

_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/markdown; charset=utf-8",
}


class Console:
    """Answers by path. A path that is no key is not there, so none can lead out of the folder."""

    def __init__(self, *, origins: Collection[str]) -> None:
        """`origins` are those of all controllers: the page goes on with another when its own is lost."""
        headers = _headers(origins)
        self._answers = {path: _answer(body, Path(path), headers) for path, body in _bodies()}
        self._answers[CONSOLE] = self._answers[f"{CONSOLE}/index.html"]
        # A person who typed the bare address wants to see something.
        self._answers["/"] = Answer(
            status=302, body=b"", content_type="text/plain", headers=(("Location", f"{CONSOLE}/"),)
        )

    def answer(self, path: str) -> Answer | None:
        """The file at `path`; None when there is none."""
        return self._answers.get(path)


def runbooks_folder() -> Path:
    """Where the runbooks that came with drctl are: inside the installed package, or among the pages of a checkout."""
    package = Path(str(files("drctl")))
    inside = package / "runbooks"
    return inside if inside.is_dir() else package.parent / "docs" / "runbooks"


def _bodies() -> Iterator[tuple[str, bytes]]:
    for file in sorted(Path(str(files("drctl.console"))).iterdir()):
        if file.suffix in _TYPES:
            yield f"{CONSOLE}/{file.name}", file.read_bytes()
    for page in sorted(runbooks_folder().glob("*.md")):
        yield f"{CONSOLE}/runbooks/{page.name}", page.read_bytes()


def _answer(body: bytes, name: Path, headers: tuple[tuple[str, str], ...]) -> Answer:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Answer(status=200, body=body, content_type=_TYPES[name.suffix], headers=headers, etag=etag)


def _headers(origins: Collection[str]) -> tuple[tuple[str, str], ...]:
    # Nothing inline, nothing from elsewhere: what a database says of itself is shown, and cannot become a program.
    asked = " ".join(["'self'", *sorted(origins)])
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {asked}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    )
