"""What operators ask for, and what the leader answers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drctl.model.errors import EffectRefused
from drctl.model.request import Request, RequestAnswer
from drctl.zookeeper.journal import uninitialised
from drctl.zookeeper.records import decode, encode
from drctl.zookeeper.transaction import UNGUARDED, Create, Delete, Refusal, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drctl.model.identity import GroupName
    from drctl.model.policy import Policy
    from drctl.zookeeper.election import Election
    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Session
    from drctl.zookeeper.transaction import Write


@dataclass(slots=True, kw_only=True)
class Requests:
    """Requests and answers of every group."""

    session: Session
    paths: Paths
    election: Election
    policies: Mapping[GroupName, Policy]
    now_s: Callable[[], float]

    def submit(self, request: Request, *, deadline_s: float) -> Request:
        """Store a request.

        Raises InvalidInput when its group is not initialised, EffectRefused when too many are open.
        """
        end_s = self.now_s() + deadline_s
        group = request.group
        names = self.session.peek_children(self.paths.requests(group)).take(end_s - self.now_s())
        if names is None:
            raise uninitialised(group)
        if len(names) >= self.policies[group].requests_max:
            raise EffectRefused(
                f"{len(names)} requests for group {group} wait for an answer already",
                remedy="does a controller lead? Type: drctl list",
            )
        # The number gives the order, the rest tells apart what two operators ask for at the same moment.
        create = Create(
            path=self.paths.request(group, f"r{secrets.token_hex(4)}-"), data=encode(request), sequential=True
        )
        try:
            written = self.session.commit(UNGUARDED, [create], deadline_s=end_s - self.now_s())
        except RejectedError as error:
            raise EffectRefused(f"ZooKeeper refuses the request: {error}") from error
        return replace(request, id=written[0].path.rpartition("/")[2])

    def answer(self, answer: RequestAnswer, group: GroupName, *, deadline_s: float) -> None:
        """Store an answer, and close the request. Only the leader answers, and once."""
        writes: list[Write] = [
            Create(path=self.paths.answer(group, answer.request), data=encode(answer)),
            Delete(path=self.paths.request(group, answer.request)),
        ]
        guard = self.election.guard()
        try:
            self.session.commit(guard, writes, deadline_s=deadline_s)
        except RejectedError as error:
            if error.deposed:
                raise self.election.deposed() from error
            if error.refusal in {Refusal.EXISTS, Refusal.MISSING}:
                raise EffectRefused(f"request {answer.request} of group {group} is not open") from error
            raise EffectRefused(f"ZooKeeper refuses the answer: {error}") from error

    def answered(self, request: Request, *, deadline_s: float) -> RequestAnswer | None:
        """The answer; None while the request is open. Raises EffectRefused when it is neither open nor answered."""
        end_s = self.now_s() + deadline_s
        path = self.paths.answer(request.group, request.id)
        # The request first: one that is answered in between is then found answered.
        asked, answer = self.session.peek(self.paths.request(request.group, request.id)), self.session.peek(path)
        still_open = asked.take(end_s - self.now_s()) is not None
        node = answer.take(end_s - self.now_s())
        if node is not None:
            return decode(RequestAnswer, node.data, path=path)
        if still_open:
            return None
        raise EffectRefused(
            f"request {request.id} of group {request.group} is not known any more; only the last answers are kept",
            remedy="look at what was done: drctl history",
        )
