"""What can go wrong in the lab, told so that the reader knows what to type next."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked; `remedy` is the next command to type, where there is one."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  type: {self.remedy}" if self.remedy else self.what


class DeadlineMissed(LabError):
    """Something that was waited for did not happen in time."""
