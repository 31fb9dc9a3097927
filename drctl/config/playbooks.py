"""`playbooks/*.yaml` become playbooks; every error says where, and what to write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from drctl.config.configuration import OWN_PLAYBOOKS
from drctl.config.playbook_reader import PlaybookReader
from drctl.config.problem import ConfigurationInvalid
from drctl.config.source import read
from drctl.model.errors import InvalidInput
from drctl.model.playbook import Playbook, RunKind
from drctl.playbook.order import flaws
from drctl.playbook.usage import gaps

BYTES_MAX = 64 * 1024
REMEDY = "edit {0}, then type: drctl playbook validate {0}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookFile:
    """A playbook, and where it was read from."""

    file: Path
    playbook: Playbook


def shipped_folder() -> Path:
    """Where the playbooks that came with drctl are: inside the installed package, or at the top of a checkout."""
    package = Path(str(files("drctl")))
    inside = package / "playbooks"
    return inside if inside.is_dir() else package.parent / "playbooks"


def playbooks_in_force(own: Path = OWN_PLAYBOOKS) -> Mapping[RunKind, PlaybookFile]:
    """What controllers run: the playbooks of the hospital's own folder replace those that came with drctl, kind by kind.

    Raises ConfigurationInvalid, and InvalidInput when one is missing.
    """
    found: dict[RunKind, PlaybookFile] = {}
    for folder in (shipped_folder(), own):
        if folder.is_dir():
            found.update(playbook_files(folder))
    missing = [kind.value for kind in RunKind if kind not in found and kind is not RunKind.DRILL]
    if missing:
        raise InvalidInput(
            f"there is no playbook of the kind {', '.join(missing)} in {shipped_folder()} or {own}",
            remedy="was drctl installed completely? install it again",
        )
    return found


def playbook_files(folder: Path) -> Mapping[RunKind, PlaybookFile]:
    """The playbooks of `folder` by kind. Raises ConfigurationInvalid for the first file that is wrong."""
    found: dict[RunKind, PlaybookFile] = {}
    for file in sorted(folder.glob("*.yaml")):
        playbook = load_playbook(file)
        if playbook.kind in found:
            raise _second(file, playbook.kind, found[playbook.kind].file)
        found[playbook.kind] = PlaybookFile(file=file, playbook=playbook)
    return found


def load_playbooks(folder: Path) -> Mapping[RunKind, Playbook]:
    """The playbooks of `folder` by kind, without their places."""
    return {kind: found.playbook for kind, found in playbook_files(folder).items()}


def load_playbook(file: Path) -> Playbook:
    """The playbook in `file`. Raises ConfigurationInvalid with everything that is wrong, InvalidInput without a file."""
    return parse_playbook(_text_of(file), str(file))


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}", remedy="is it the right file?") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no UTF-8 text", remedy="save it as UTF-8") from error


def _second(file: Path, kind: RunKind, first: Path) -> ConfigurationInvalid:
    source = read(_text_of(file), str(file))
    message = f"{first} is of the kind {kind} too, and only one of them can be meant"
    return ConfigurationInvalid(
        str(file),
        [source.problem(("kind",), message, "move one of the two out of the folder")],
        remedy=REMEDY.format(file),
    )


def parse_playbook(text: str, file: str) -> Playbook:
    """The playbook that `text` says. Raises ConfigurationInvalid with everything that is wrong."""
    source = read(text, file)
    if len(text.encode()) > BYTES_MAX:
        message = f"has {len(text.encode())} bytes, and every run keeps a copy of it"
        source.problems.append(
            source.problem((), message, f"shorten it to {BYTES_MAX} bytes; what is long fits in a script")
        )
    reader = PlaybookReader(source)
    playbook = reader.playbook(hashlib.sha256(text.encode()).hexdigest())
    if playbook is not None and reader.complete:
        # Of steps that cannot be read, nothing can be said about the order.
        for path, flaw in (
            *((reader.places.get(flaw.step, ("budget",)), flaw) for flaw in flaws(playbook)),
            *((("kind",), gap) for gap in gaps(playbook)),
        ):
            source.problems.append(source.problem(path, flaw.message, flaw.remedy))
    if source.problems or playbook is None:
        raise ConfigurationInvalid(file, source.problems, remedy=REMEDY.format(file))
    return playbook
