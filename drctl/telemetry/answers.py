"""What is answered to which path, from the published snapshot alone. No input, no output, no lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drctl.model.identity import GroupName, MemberName, RunId
from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot, MemberSnapshot
from drctl.model.units import parse_size_bytes
from drctl.telemetry.codec import to_json
from drctl.telemetry.publication import Published, dump

ALIVE_S = 10.0
"""A loop that has told nothing for this long hangs: whoever supervises the controller should start it again."""

EVENTS = "/events"
"""Answered by the server itself, as long as the listener stays."""
CONSOLE = "/console"

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    etag: str = ""
    """Of what does not change while the controller runs; what has none is never kept by a browser."""


class Answers:
    """The routes of a controller."""

    def __init__(
        self,
        published: Published,
        *,
        metrics: Callable[[], bytes],
        metrics_type: str,
        configuration: Mapping[str, str],
        pages: Callable[[str], Answer | None] = lambda _: None,
    ) -> None:
        """`pages` answers by path what does not depend on the deployment; None when it has nothing there."""
        self._published = published
        self._metrics = metrics
        self._metrics_type = metrics_type
        self._configuration = dict(configuration)
        self._pages = pages
        self._routes: Mapping[str, Callable[[Mapping[str, str]], Answer]] = {
            "/primary": lambda query: self._of_member(query, lambda member: member.writable),
            "/read-write": lambda query: self._of_member(query, lambda member: member.writable),
            "/replica": self._replica,
            "/sync": lambda query: self._of_member(query, lambda member: member.synchronous),
            "/health": lambda query: self._of_member(query, lambda member: member.answers),
            "/readiness": self._readiness,
            "/liveness": self._liveness,
            "/cluster": self._cluster,
            "/history": self._history,
            "/explain": self._explain,
            "/config": lambda _: Answer(status=200, body=dump(self._configuration)),
            "/metrics": lambda _: Answer(status=200, body=self._metrics(), content_type=self._metrics_type),
        }

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        """The answer to a request."""
        if path.startswith("/runs/"):
            return self._run(RunId(path.removeprefix("/runs/")))
        route = self._routes.get(path)
        if route is None:
            known = ", ".join([*self.routes, "/runs/ID"])
            return self._pages(path) or _error(404, f"there is nothing at {path}", f"known: {known}")
        try:
            return route(query)
        except _NoAnswer as no_answer:
            return no_answer.answer

    @property
    def routes(self) -> tuple[str, ...]:
        """What is answered, but for what has a name in its path."""
        return (*self._routes, EVENTS, CONSOLE)

    def _of_member(self, query: Mapping[str, str], holds: Callable[[MemberSnapshot], bool]) -> Answer:
        group, member = self._asked_member(query)
        body = {
            "group": group.name,
            "member": member.name,
            "role": member.role.value,
            "state": member.state.value,
            "timeline": member.timeline,
            "lag_bytes": member.replay_lag_bytes,
        }
        return Answer(status=200 if holds(member) else 503, body=dump(body))

    def _replica(self, query: Mapping[str, str]) -> Answer:
        limit = query.get("lag")
        if limit is None:
            return self._of_member(query, lambda member: member.readable)
        try:
            limit_bytes = int(limit) if limit.isdecimal() else parse_size_bytes(limit)
        except ValueError:
            return _error(400, f"lag={limit} is no size", "bytes, or with a unit: lag=16MiB")
        return self._of_member(query, lambda member: member.readable and _within(member, limit_bytes))

    def _readiness(self, query: Mapping[str, str]) -> Answer:
        """Of a member: whether it serves anybody. Of the controller itself: whether it has seen the deployment."""
        if "member" in query or "group" in query:
            return self._of_member(query, lambda member: member.writable or member.readable)
        snapshot = self._snapshot()
        return Answer(status=200, body=dump({"center": snapshot.center, "coordinator_connected": snapshot.connected}))

    def _liveness(self, _: Mapping[str, str]) -> Answer:
        age_s = self._published.age_s()
        alive = age_s is not None and age_s < ALIVE_S
        return Answer(status=200 if alive else 503, body=dump({"snapshot_age_s": age_s}))

    def _cluster(self, _: Mapping[str, str]) -> Answer:
        latest = self._published.latest
        if latest is None:
            raise _NoAnswer(_not_yet())
        return Answer(status=200, body=latest.cluster_json())

    def _history(self, query: Mapping[str, str]) -> Answer:
        snapshot = self._snapshot()
        groups = [self._asked_group(query)] if "group" in query else snapshot.groups
        return Answer(status=200, body=dump({group.name: [to_json(run) for run in group.history] for group in groups}))

    def _explain(self, query: Mapping[str, str]) -> Answer:
        group = self._asked_group(query)
        body = {
            "group": group.name,
            "protection": group.protection.value,
            "protection_text": group.protection_text,
            "rules": list(group.rules),
            "explanation": to_json(group.explanation),
        }
        return Answer(status=200, body=dump(body))

    def _run(self, run: RunId) -> Answer:
        latest = self._published.latest
        if latest is None:
            return _not_yet()
        found = latest.snapshot.run(run)
        if found is None:
            return _error(404, f"run {run} is not known here", "the runs that are kept: /history")
        return Answer(status=200, body=dump(to_json(found)))

    def _snapshot(self) -> ClusterSnapshot:
        latest = self._published.latest
        if latest is None:
            raise _NoAnswer(_not_yet())
        return latest.snapshot

    def _asked_group(self, query: Mapping[str, str]) -> GroupSnapshot:
        snapshot = self._snapshot()
        names = ", ".join(group.name for group in snapshot.groups)
        if "group" not in query:
            if len(snapshot.groups) == 1:
                return snapshot.groups[0]
            raise _NoAnswer(_error(400, "which group?", f"add ?group=NAME, one of {names}"))
        group = snapshot.group(GroupName(query["group"]))
        if group is None:
            raise _NoAnswer(_error(404, f"there is no group {query['group']}", f"known: {names}"))
        return group

    def _asked_member(self, query: Mapping[str, str]) -> tuple[GroupSnapshot, MemberSnapshot]:
        """The member that is named; else the group's member in this controller's own center."""
        snapshot = self._snapshot()
        if "member" not in query:
            group = self._asked_group(query)
            own = next((member for member in group.members if member.center == snapshot.center), None)
            if own is None:
                known = ", ".join(member.name for member in group.members)
                raise _NoAnswer(
                    _error(400, f"{group.name} has no member in {snapshot.center}", f"add &member=NAME, one of {known}")
                )
            return group, own
        groups = [self._asked_group(query)] if "group" in query else snapshot.groups
        for group in groups:
            member = group.member(MemberName(query["member"]))
            if member is not None:
                return group, member
        known = ", ".join(member.name for group in groups for member in group.members)
        raise _NoAnswer(_error(404, f"there is no member {query['member']}", f"known: {known}"))


class _NoAnswer(Exception):
    """The request cannot be answered as asked; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _within(member: MemberSnapshot, limit_bytes: int) -> bool:
    return member.replay_lag_bytes is not None and member.replay_lag_bytes <= limit_bytes


def _not_yet() -> Answer:
    return _error(503, "this controller has just started and has seen nothing yet", "ask again in a second")


def _error(status: int, message: str, remedy: str) -> Answer:
    return Answer(status=status, body=dump({"error": message, "remedy": remedy}))
