"""Which member a hospital's own step is about."""

from __future__ import annotations

from drctl.model.evidence import Chosen
from drctl.model.identity import MemberName
from drctl.model.playbook import MOVES, RunKind
from drctl.model.rule import GroupRecord
from drctl.model.run import Run


def subject(run: Run, record: GroupRecord, word: str) -> MemberName | None:
    """The member that `on: word` means in `run`; None while there is none."""
    match word:
        case "primary":
            return record.primary
        case "old_primary":
            return run.old_primary
        case "heir":
            return heir(run)
        case "returning":
            return run.candidate if run.kind is RunKind.REJOIN else None
        case _:
            return MemberName(word)


def heir(run: Run) -> MemberName | None:
    """The chosen heir, else the wanted one; None while nobody is, and in runs that have none."""
    for _, evidence in reversed(run.evidence("choose")):
        if isinstance(evidence, Chosen):
            return evidence.heir
    return run.candidate if run.kind in MOVES else None
