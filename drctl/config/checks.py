"""What single values cannot show: names that must exist, addresses that must differ, numbers that must fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drctl.config.build import policy_values
from drctl.config.entries import ClusterEntry, GroupEntry
from drctl.config.policy_keys import FIELD_OF_KEY, key_of
from drctl.config.problem import KeyPath, Problem, dotted, nearest
from drctl.config.source import Source
from drctl.model.policy import broken_relations
from drctl.model.topology import Address, MemberKind
from drctl.model.units import format_duration

CENTERS_MIN = 3
GRANTED_BY_ZOOKEEPER_S = (1.0, 40.0)
"""What the recommended zoo.cfg (docs/reference) grants; a server moves other session timeouts into it silently."""


def check(entry: ClusterEntry, source: Source, left_out: frozenset[KeyPath]) -> tuple[list[Problem], list[Problem]]:
    """Errors and warnings. `left_out` are values that were wrong in themselves: nothing more is said of those."""
    checks = _Checks(entry, source, left_out)
    return list(checks.errors()), list(checks.warnings())


class _Checks:
    def __init__(self, entry: ClusterEntry, source: Source, left_out: frozenset[KeyPath]) -> None:
        self._entry = entry
        self._source = source
        self._left_out = left_out
        # By the file, not by what was left of it: a center with a wrong port is still a center.
        self._centers = source.keys(("centers",))
        self._groups = source.keys(("groups",))
        self._said: set[tuple[KeyPath, str]] = set()

    def errors(self) -> Iterator[Problem]:
        yield from self._enough_centers()
        yield from self._members_named_once()
        yield from self._addresses_differ()
        yield from self._session_fits()
        for name, group in self._entry.groups.items():
            yield from self._center_exists(("groups", name, "home"), group.home)
            for member_name, member in group.members.items():
                yield from self._center_exists(("groups", name, "members", member_name, "center"), member.center)
            yield from self._home_is_manned(name, group)
            yield from self._after_exists(name, group)
            yield from self._sync_feasible(name, group)
            yield from self._policy_holds(name, group)
        yield from self._after_ends()
        yield from self._calendar_holds()

    def _calendar_holds(self) -> Iterator[Problem]:
        for name, drill in self._entry.drills.calendar.items():
            path = ("drills", "calendar", name)
            if drill.group not in self._groups:
                hint = nearest(drill.group, self._groups)
                yield self._source.problem(
                    (*path, "group"),
                    f"there is no group {drill.group!r}",
                    f"did you mean `group: {hint}`?" if hint else f"write one of: {', '.join(self._groups)}",
                )
            if drill.to is not None:
                yield from self._center_exists((*path, "to"), drill.to)
        for name, freeze in self._entry.drills.freezes.items():
            if freeze.last < freeze.first:
                yield self._source.problem(
                    ("drills", "freezes", name, "last"), f"is before its first day, {freeze.first}", "exchange the two"
                )

    def warnings(self) -> Iterator[Problem]:
        if len(self._centers) >= CENTERS_MIN and len(self._centers) % 2 == 0:
            count = len(self._centers)
            yield self._source.problem(
                ("centers",),
                f"{count} centers: ZooKeeper then tolerates the loss of no more than {count - 1} would",
                "add a center, or take one out of the vote",
            )
        for name, group in self._entry.groups.items():
            yield from self._one_peer_a_center(name, group)
            yield from self._session_notices(name, group)

    def _enough_centers(self) -> Iterator[Problem]:
        if 0 < len(self._centers) < CENTERS_MIN:
            yield self._source.problem(
                ("centers",),
                f"has {len(self._centers)} of at least {CENTERS_MIN} centers: with fewer, the loss of one leaves "
                "ZooKeeper without a majority",
                "add a center; it may hold a ZooKeeper server and a controller only, without a database",
            )

    def _center_exists(self, path: KeyPath, name: str) -> Iterator[Problem]:
        if name not in self._centers and path not in self._left_out:
            yield self._unknown_name(path, name, "center", self._centers)

    def _after_exists(self, name: str, group: GroupEntry) -> Iterator[Problem]:
        for index, other in enumerate(group.after):
            if other not in self._groups:
                yield self._unknown_name(("groups", name, "after", index), other, "group", self._groups)

    def _unknown_name(self, path: KeyPath, name: str, kind: str, known: tuple[str, ...]) -> Problem:
        guess = nearest(name, known)
        return self._source.problem(
            path,
            f"is {name!r}, expected the name of a {kind} of this file ({', '.join(known)})",
            f"write `{guess}`" if guess else f"write one of them, or add `{name}` below `{kind}s:`",
        )

    def _after_ends(self) -> Iterator[Problem]:
        after = {
            name: [other for other in group.after if other in self._entry.groups]
            for name, group in self._entry.groups.items()
        }
        for name, others in after.items():
            seen: set[str] = set()
            ahead = list(others)
            while ahead:
                other = ahead.pop()
                if other == name:
                    yield self._source.problem(
                        ("groups", name, "after"),
                        f"{name} would wait for itself, and no operation on it could ever begin",
                        "remove one of the names that make the circle",
                    )
                    break
                if other not in seen:
                    seen.add(other)
                    ahead += after[other]

    def _members_named_once(self) -> Iterator[Problem]:
        first: dict[str, str] = {}
        for group_name in self._groups:
            for member in self._source.keys(("groups", group_name, "members")):
                if member in first:
                    yield self._source.problem(
                        ("groups", group_name, "members", member),
                        f"group {first[member]} has a member of this name too; names are unique in a deployment, "
                        "because hosts, routers and people name a member without its group",
                        f"write for example `{group_name}-{member}`, and the same in its application_name",
                    )
                first.setdefault(member, group_name)

    def _addresses_differ(self) -> Iterator[Problem]:
        first: dict[str, KeyPath] = {}
        for path, address in self._addresses():
            if address in first:
                yield self._source.problem(
                    path,
                    f"is {address}, the address of {dotted(first[address])} as well; two services cannot listen there",
                    "write the address of each",
                )
            first.setdefault(address, path)

    def _addresses(self) -> Iterator[tuple[KeyPath, str]]:
        for name, center in self._entry.centers.items():
            for key, address in (("zookeeper", center.zookeeper), ("http", center.http)):
                if ("centers", name, key) not in self._left_out:
                    yield ("centers", name, key), str(address)
        for group_name, group in self._entry.groups.items():
            for name, member in group.members.items():
                path = ("groups", group_name, "members", name)
                if not {(*path, "host"), (*path, "port")} & self._left_out:
                    yield path, str(Address(host=member.host, port=member.port))

    def _session_fits(self) -> Iterator[Problem]:
        least_s, most_s = GRANTED_BY_ZOOKEEPER_S
        timeout_s = self._entry.zookeeper.session_timeout
        if not least_s <= timeout_s <= most_s:
            yield self._source.problem(
                ("zookeeper", "session_timeout"),
                f"is {format_duration(timeout_s)}, and ZooKeeper with the recommended zoo.cfg grants "
                f"{format_duration(least_s)} to {format_duration(most_s)}: sessions would last for another time",
                "write for example `session_timeout: 1500ms`",
            )

    def _home_is_manned(self, name: str, group: GroupEntry) -> Iterator[Problem]:
        if self._members_unclear(name):
            return
        if group.home in self._centers and not any(
            member.center == group.home and member.kind is MemberKind.PEER for member in group.members.values()
        ):
            yield self._source.problem(
                ("groups", name, "home"),
                f"is {group.home!r}, where the group has no member that may be primary, so it could never be at home",
                f"add a member with `center: {group.home}`, or name another home",
            )

    def _sync_feasible(self, name: str, group: GroupEntry) -> Iterator[Problem]:
        if self._members_unclear(name):
            return
        peers = sum(member.kind is MemberKind.PEER for member in group.members.values())
        count = int(policy_values(self._entry, group)["sync_count"])
        if peers < 2:
            yield self._source.problem(
                ("groups", name, "members"),
                f"has {peers} member{'s' if peers != 1 else ''} that may be primary: without a standby no commit "
                "is ever acknowledged",
                "add a member in another center",
            )
        elif count > peers - 1:
            yield self._source.problem(
                self._policy_path(name, "sync_count"),
                f"is {count}, and {name} has only {peers - 1} standby{'s' if peers != 2 else ''} to its primary: "
                "commits would wait for ever",
                f"write `sync_count: {peers - 1}` or less, or add members",
            )

    def _members_unclear(self, group: str) -> bool:
        """Whether what was left out says who is in a group, what they may become, or where they stand."""
        members: KeyPath = ("groups", group, "members")
        return any(path[:3] == members and (len(path) <= 4 or path[4] in {"kind", "center"}) for path in self._left_out)

    def _policy_holds(self, name: str, group: GroupEntry) -> Iterator[Problem]:
        values = policy_values(self._entry, group)
        for relation in broken_relations(values):
            paths = [self._policy_path(name, key_of(field)) for field in relation.fields]
            if any(path in self._left_out for path in paths):
                continue
            at = next((path for path in paths if path in self._source.places), paths[0])
            if (at, relation.demand) in self._said:
                # A wrong policy of the deployment is wrong in each of its groups, and said once.
                continue
            self._said.add((at, relation.demand))
            yield self._source.problem(
                at,
                f"{relation.demand} ({_written(relation.fields, values)}), or {relation.otherwise}",
                f"change {' or '.join(f'`{key_of(field)}`' for field in relation.fields)}",
            )

    def _policy_path(self, group: str, key: str) -> KeyPath:
        """Where the value of a group's policy was written: in the group, or for the deployment."""
        assert key in FIELD_OF_KEY, key
        own: KeyPath = ("groups", group, "policy", key)
        common: KeyPath = ("policy", key)
        return common if own not in self._source.places and common in self._source.places else own

    def _one_peer_a_center(self, name: str, group: GroupEntry) -> Iterator[Problem]:
        first: dict[str, str] = {}
        for member_name, member in group.members.items():
            if member.kind is not MemberKind.PEER:
                continue
            if member.center in first:
                yield self._source.problem(
                    ("groups", name, "members", member_name, "center"),
                    f"{member_name} and {first[member.center]} stand in one center, {member.center}: its loss takes "
                    "both, and a commit that only these two have is lost with them",
                    "put each member of a group into a center of its own",
                )
            first.setdefault(member.center, member_name)

    def _session_notices(self, name: str, group: GroupEntry) -> Iterator[Problem]:
        suspicion_s = float(policy_values(self._entry, group)["suspicion_s"])
        timeout_s = self._entry.zookeeper.session_timeout
        if timeout_s > suspicion_s:
            yield self._source.problem(
                ("zookeeper", "session_timeout"),
                f"is {format_duration(timeout_s)}, longer than suspicion of {name} ({format_duration(suspicion_s)}): after "
                "the loss of the leader's center, failover waits for the session to expire",
                f"write `session_timeout: {format_duration(max(suspicion_s, GRANTED_BY_ZOOKEEPER_S[0]))}`",
            )


def _written(names: tuple[str, ...], values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key_of(name)} is {format_duration(values[name]) if isinstance(values[name], float) else values[name]}"
        for name in names
    )
