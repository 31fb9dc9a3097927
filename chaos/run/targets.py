"""Who is meant: roles become names once, when a round begins, so that what was broken is what is mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The roles of one round."""

    roles: Mapping[str, str]
    """Members and centers by role."""

    @classmethod
    def of(cls, *, primary: str, members: Mapping[str, str]) -> Cast:
        """`members` are the group's, by center. The standbys are ordered by name."""
        home = {member: center for center, member in members.items()}
        if primary not in home:
            raise LabError(f"{primary} is no member of the group: {', '.join(home)}")
        standby, other = sorted(member for member in home if member != primary)
        return cls(
            roles={
                "primary": primary,
                "standby": standby,
                "other-standby": other,
                "primary-center": home[primary],
                "standby-center": home[standby],
                "other-center": home[other],
            }
        )

    def name(self, target: str, live: Mapping[str, str]) -> str:
        """The name that a target stands for; `live` has the roles that change: heir, drctl-leader. Else it is a name."""
        role, slash, process = target.partition("/")
        if role in self.roles:
            found = self.roles[role]
        elif role in live:
            found = live[role]
        else:
            found = role
        if not found:
            raise LabError(f"nobody is {role} now")
        return f"{found}{slash}{process}"
