"""What a key of `with` may say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ParamKind(StrEnum):
    """The form of a value."""

    TEXT = "text"
    NAME = "name"
    URL = "address"
    WHOLE = "whole number"
    SIZE = "size"
    SCALAR = "text, number, true or false"
    WORDS = "list of words"
    CHOICE = "one of a few words"
    SUBJECT = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One key of `with`."""

    name: str
    kind: ParamKind
    words: str
    """What it says, for people."""
    required: bool = False
    default: str = ""
    """As the file would write it; empty when there is none."""
    choices: tuple[str, ...] = ()
    """Of a CHOICE: what it may be."""


SUBJECTS = {
    "primary": "whom the record names as the primary when the step begins",
    "old_primary": "the primary when the run began",
    "heir": "the member that takes over; known from the step `choose` on, in a handover from the beginning",
    "returning": "the member that a rejoin brings back",
}
"""The members that a step can be about; any other word is a member's name, and the step is skipped in other groups."""

ON = Param(
    name="on",
    kind=ParamKind.SUBJECT,
    required=True,
    words=f"which member: {', '.join(f'`{word}`' for word in SUBJECTS)}, or a member's name",
)
