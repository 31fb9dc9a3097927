"""Where things are in ZooKeeper: `{root}/{cluster}/...`."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.errors import InvalidInput
from drctl.model.identity import CenterName, GroupName, RunId

_EPOCH_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The paths of one cluster.

    election/<candidate>                    ephemeral, sequential: the lowest leads
    observers/<center>                      ephemeral: what that center's controller sees
    groups/<group>/record                   the group's record
    groups/<group>/run                      journal of the run under way; empty at rest, so that its version only grows
    groups/<group>/paused                   apart from the record, so that a pause never collides with a run
    groups/<group>/history/<run>            finished runs
    groups/<group>/requests/<id>            open requests
    groups/<group>/answers/<id>             answers to those that are no longer open
    audit                                   the head of the audit chain; empty before the first event
    audit/pieces/<sequence>                 some events of the chain, named by the first
    audit/centers/<center>                  where that center's copy on disk ends
    """

    root: str
    cluster: str

    def __post_init__(self) -> None:
        names = [*self.root.split("/")[1:], self.cluster] if self.root != "/" else [self.cluster]
        if not self.root.startswith("/") or any(not name or name in {".", ".."} for name in names):
            raise InvalidInput(
                f"not a place in ZooKeeper: root {self.root!r}, cluster {self.cluster!r}",
                remedy="zookeeper.root begins with / and does not end with it, for example /drctl",
            )

    @property
    def top(self) -> str:
        """The node that holds everything of this cluster."""
        return f"{self.root.rstrip('/')}/{self.cluster}"

    @property
    def election(self) -> str:
        """Parent of the candidates."""
        return f"{self.top}/election"

    @property
    def observers(self) -> str:
        """Parent of the observers' reports."""
        return f"{self.top}/observers"

    @property
    def groups(self) -> str:
        """Parent of the groups."""
        return f"{self.top}/groups"

    @property
    def audit(self) -> str:
        """The head of the audit chain, and parent of all that belongs to it."""
        return f"{self.top}/audit"

    @property
    def audit_pieces(self) -> str:
        """Parent of the pieces of the chain."""
        return f"{self.audit}/pieces"

    @property
    def audit_centers(self) -> str:
        """Parent of what the centers say of their copies."""
        return f"{self.audit}/centers"

    def audit_center(self, center: CenterName) -> str:
        """Where one center's copy ends."""
        return f"{self.audit_centers}/{center}"

    @property
    def skeleton(self) -> tuple[str, ...]:
        """The nodes that everything else stands on, parents first."""
        names = self.top.split("/")[1:]
        above = tuple("/" + "/".join(names[: count + 1]) for count in range(len(names)))
        audit = (self.audit, self.audit_pieces, self.audit_centers)
        return (*above, self.election, self.observers, self.groups, *audit)

    def observer(self, center: CenterName) -> str:
        """What one center's controller sees."""
        return f"{self.observers}/{center}"

    def group(self, group: GroupName) -> str:
        """Parent of all that belongs to a group."""
        return f"{self.groups}/{group}"

    def record(self, group: GroupName) -> str:
        """The group's record."""
        return f"{self.group(group)}/record"

    def run(self, group: GroupName) -> str:
        """The journal of the run that is under way."""
        return f"{self.group(group)}/run"

    def paused(self, group: GroupName) -> str:
        """Whether automatic operations are paused."""
        return f"{self.group(group)}/paused"

    def history(self, group: GroupName) -> str:
        """Parent of the finished runs."""
        return f"{self.group(group)}/history"

    def finished(self, group: GroupName, run: RunId) -> str:
        """A finished run. The number in its name has leading zeros, so that names sort by age."""
        return f"{self.history(group)}/{group}-{run_number(run):0{_EPOCH_DIGITS}d}"

    def requests(self, group: GroupName) -> str:
        """Parent of the open requests."""
        return f"{self.group(group)}/requests"

    def request(self, group: GroupName, request: str) -> str:
        """An open request."""
        return f"{self.requests(group)}/{request}"

    def answers(self, group: GroupName) -> str:
        """Parent of the answers."""
        return f"{self.group(group)}/answers"

    def answer(self, group: GroupName, request: str) -> str:
        """The answer to a request."""
        return f"{self.answers(group)}/{request}"


def run_number(run: RunId) -> int:
    """The epoch in a run's id. Raises InvalidInput when there is none."""
    number = run.rpartition("-")[2]
    if not number.isascii() or not number.isdigit() or len(number) > _EPOCH_DIGITS:
        raise InvalidInput(f"not the id of a run: {run!r} (expected the form lis-12)", remedy="type: drctl history")
    return int(number)


def run_group(run: RunId) -> GroupName:
    """The group in a run's id."""
    return GroupName(run.rpartition("-")[0])


def sequence(name: str) -> int:
    """The number that ZooKeeper appended to the name of a sequential node."""
    return int(name[-10:])
