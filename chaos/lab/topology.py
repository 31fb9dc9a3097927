"""What every lab looks like: three centers, their groups, the numbers of their hosts."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.lab.errors import LabError

CLIENT = "client"
CLIENT_NUMBER = 20
FIRST_PORT = 5432
GROUPS_MAX = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterPlan:
    """One center before it is built; its number is that of its address and of its ZooKeeper server."""

    name: str
    label: str
    number: int
    host_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """One group before it is built."""

    name: str
    home: str
    port: int

    def member(self, center: str) -> str:
        """The name of its member in a center."""
        return f"{self.name}-{center}"


CENTERS = (
    CenterPlan(name="zhaohui", label="朝晖", number=1, host_number=11),
    CenterPlan(name="yuecheng", label="越城", number=2, host_number=12),
    CenterPlan(name="fuyang", label="富阳", number=3, host_number=13),
)


def plan_groups(count: int) -> list[GroupPlan]:
    """One group `lis`, or several whose homes go round the centers. Raises LabError for too few or too many."""
    if not 1 <= count <= GROUPS_MAX:
        raise LabError(f"a lab has 1 to {GROUPS_MAX} groups, not {count}")
    if count == 1:
        return [GroupPlan(name="lis", home=CENTERS[0].name, port=FIRST_PORT)]
    groups = []
    for index in range(count):
        home = CENTERS[index % len(CENTERS)].name
        turn = index // len(CENTERS) + 1
        groups.append(
            GroupPlan(name=f"lis-{home}" if turn == 1 else f"lis-{home}-{turn}", home=home, port=FIRST_PORT + index)
        )
    return groups
