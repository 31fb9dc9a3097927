"""The project's own files, read once for all house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


_NOT_OURS = ("build", "dist", "__pycache__")


@cache
def files(suffix: str = "") -> tuple[Path, ...]:
    """Every file of the project whose name ends in `suffix`; what tools made in the checkout is left out."""
    return tuple(path for path in sorted(_walk(ROOT)) if path.name.endswith(suffix))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and path.name not in {".ci", ".pre-commit-config.yaml", ".gitignore"}
        if hidden or path.name in _NOT_OURS or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def name(path: Path) -> str:
    """A file as people call it."""
    return path.relative_to(ROOT).as_posix()


@cache
def text(path: Path) -> str:
    """What a file says."""
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """A Python file as a tree."""
    return ast.parse(text(path), filename=str(path))


def product() -> Iterator[Path]:
    """The Python files of drctl and of its proof, without the tests."""
    return (path for path in files(".py") if name(path).startswith(("drctl/", "chaos/")))
