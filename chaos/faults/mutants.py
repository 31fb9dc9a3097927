"""Negative controls: builds of drctl with one rule of its protocol taken out. Each must turn a named scenario red.

Nothing of it is in the product: a controller of the chaos build replaces functions when it starts, and the program for the
hosts is packed with one more module that does. Which rule is missing is told by a file in the lab's folder.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from drctl.controller import actions
from drctl.controller.plan import Change, Instant, Plan, Situation
from drctl.controller.rpo import RpoWatch
from drctl.decision import decide, syncset
from drctl.host.bundle import SHEBANG
from drctl.model.evidence import Checked
from drctl.model.playbook import RunKind

if TYPE_CHECKING:
    from drctl.decision.memory import Memory
    from drctl.decision.syncset import SyncChange
    from drctl.model.view import GroupView

SOURCES = Path(__file__).parent / "host_mutants"
MAIN = "import chaos_mutant\nimport sys\nfrom drctl.host.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A rule that is missing, and the scenario that must notice."""

    name: str
    removes: str
    """The rule, as docs/explanation/protocol.md has it."""
    scenario: str
    controller: Callable[[], None] | None = None
    """Takes it out of a controller; None when it is the host's."""
    host: str = ""
    """The file of `host_mutants` that takes it out of the host's program; empty when it is the controller's."""


def _without_the_joint_rule() -> None:
    record = actions._PLANS["record"]  # noqa: SLF001 - a mutant reaches inside on purpose

    def mutated(situation: Situation) -> Plan:
        planned = record(situation)
        if isinstance(planned, Change) and situation.run.kind is not RunKind.SYNCSET:
            return Change(record=replace(planned.record, rules=planned.record.rules[-1:]))
        return planned

    _replace_plan("record", mutated)


def _without_the_marker() -> None:
    _replace_plan("marker", lambda _situation: Instant(evidence=Checked(detail="nobody waited for a marker")))


def _without_the_rpo_watch() -> None:
    wanted = syncset.wanted_change

    def mutated(view: GroupView, memory: Memory) -> SyncChange | None:
        change = wanted(view, memory)
        same = change is not None and view.record is not None and change.sync == view.record.rule.sync
        return None if same else change

    patch.object(decide, "wanted_change", mutated).start()
    patch.object(RpoWatch, "look", lambda _self, _view: None).start()


def _replace_plan(action: str, mutated: Callable[[Situation], Plan]) -> None:
    patch.dict(actions._PLANS, {action: mutated}).start()  # noqa: SLF001


MUTANTS: Mapping[str, Mutant] = {
    mutant.name: mutant
    for mutant in (
        Mutant(
            name="no-epoch-check",
            removes="hosts refuse a command whose epoch is lower than one that they have seen",
            scenario="zombie-seals-late",
            host="no_epoch_check.py",
        ),
        Mutant(
            name="no-seal",
            removes="a standby takes no part in any further commit before its position is read",
            scenario="failover-beside-a-living-primary",
            host="no_seal.py",
        ),
        Mutant(
            name="no-joint-rule",
            removes="the old rule stands beside the new one until a marker was acknowledged",
            scenario="heir-lost-before-promotion",
            controller=_without_the_joint_rule,
        ),
        Mutant(
            name="no-marker",
            removes="the old rule goes only after a marker was acknowledged under the new one",
            scenario="heir-lost-before-marker",
            controller=_without_the_marker,
        ),
        Mutant(
            name="no-rpo-watch",
            removes="what a human did to synchronous_standby_names is put back",
            scenario="human-empties-sync-names",
            controller=_without_the_rpo_watch,
        ),
    )
}


def mark(folder: Path, mutant: str | None) -> None:
    """Say in the lab's folder which rule is missing; None: none is."""
    place = folder / "mutant"
    if mutant is None:
        place.unlink(missing_ok=True)
    else:
        place.write_text(mutant)


def marked(folder: Path) -> Mutant | None:
    """The mutant that the lab runs; None when it runs the product."""
    place = folder / "mutant"
    return MUTANTS[place.read_text()] if place.exists() else None


def apply_to_controller(folder: Path) -> None:
    """Take the missing rule out of this process, if it is the controller's."""
    mutant = marked(folder)
    if mutant is not None and mutant.controller is not None:
        mutant.controller()


def mutate_host(program: Path, source: str) -> None:
    """Pack one more module into the host's program, which is imported first."""
    with zipfile.ZipFile(program) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if not name.startswith("__main__.")}
    parts |= {"__main__.py": MAIN.encode(), "chaos_mutant.py": (SOURCES / source).read_bytes()}
    draft = program.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
    draft.chmod(0o755)
    draft.replace(program)
