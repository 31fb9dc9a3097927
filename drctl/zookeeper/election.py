"""Which controller leads: the candidate with the lowest number.

Every controller watches all the candidates, not only the one before it: there are three or five of them, and each has
to know who leads.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drctl.model.errors import EffectRefused, LeadershipLost, Unreachable
from drctl.zookeeper.paths import sequence
from drctl.zookeeper.records import Candidate, decode, encode
from drctl.zookeeper.transaction import UNGUARDED, Check, Create, Delete, Refusal, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Era, Node, Reply, Session

ROUNDS_MAX = 4
"""Of looking and correcting in one step; what is left then is for the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lead:
    """The own node, seen as the lowest, and the connection that saw it."""

    node: str
    era: Era


class Election:
    """This controller's part in the election."""

    def __init__(
        self, *, session: Session, paths: Paths, candidate: Candidate | None, now_s: Callable[[], float]
    ) -> None:
        """`candidate` None looks on and never stands."""
        self._session = session
        self._paths = paths
        self._candidate = candidate
        self._now_s = now_s
        # A create whose answer was lost is found again by this.
        self._prefix = f"{secrets.token_hex(8)}-"
        self._wish = False
        self._lead: _Lead | None = None
        self._seen: tuple[Era, Candidate | None] | None = None

    def campaign(self, *, wish: bool) -> None:
        """Stand from the next `step` on, or lead no longer from now on."""
        assert self._candidate is not None or not wish, "who only looks on does not stand"
        self._wish = wish
        if not wish:
            self._lead = None

    def leading(self) -> bool:
        """Whether the own node was the lowest on this very connection."""
        lead = self._lead
        return self._wish and lead is not None and lead.era == self._session.era and self._session.connected()

    def leader(self) -> Candidate | None:
        """Who leads; None when nobody does or it is not known."""
        seen = self._seen
        if seen is None or seen[0] != self._session.era or not self._session.connected():
            return None
        return seen[1]

    def guard(self) -> Check:
        """What a leader's write depends on. Raises LeadershipLost, Unreachable."""
        if not self._session.connected():
            raise Unreachable("ZooKeeper does not answer: there is no connection")
        lead = self._lead
        if lead is None or not self.leading():
            raise LeadershipLost("this controller does not lead")
        # Whoever has the lowest node keeps it the lowest as long as it is there: new ones get higher numbers.
        return Check(path=lead.node, version=0)

    def deposed(self) -> LeadershipLost:
        """What to raise when the servers say that the own node is gone."""
        self._lead = None
        return LeadershipLost("this controller's node in the election is gone: another one may lead")

    def step(self, *, deadline_s: float) -> None:
        """Look at the candidates, and put the own node right. Raises Unreachable, EffectUnknown."""
        end_s = self._now_s() + deadline_s
        for _ in range(ROUNDS_MAX):
            era = self._session.era
            names = self._session.children(self._paths.election).take(end_s - self._now_s()) or ()
            candidates = self._read(names, end_s)
            if not self._correct(candidates, end_s):
                self._note(era, candidates)
                return

    def _read(self, names: tuple[str, ...], end_s: float) -> Mapping[str, Node]:
        asked: list[tuple[str, Reply[Node]]] = [
            (name, self._session.peek(f"{self._paths.election}/{name}")) for name in sorted(names, key=sequence)
        ]
        found = ((name, reply.take(end_s - self._now_s())) for name, reply in asked)
        return {name: node for name, node in found if node is not None}

    def _correct(self, candidates: Mapping[str, Node], end_s: float) -> bool:
        """Whether something had to be changed, so that one must look again."""
        own = [name for name in candidates if name.startswith(self._prefix)]
        standing = [name for name in own if candidates[name].owner == self._session.id]
        wanted = standing[:1] if self._wish else []
        # Others of the own are of a session that ended, or the second of a create that was tried twice.
        surplus = [name for name in own if name not in wanted]
        for name in surplus:
            self._remove(name, end_s)
        if self._wish and not wanted:
            self._stand(end_s)
            return True
        return bool(surplus)

    def _stand(self, end_s: float) -> None:
        assert self._candidate is not None, "who only looks on does not stand"
        create = Create(
            path=f"{self._paths.election}/{self._prefix}",
            data=encode(self._candidate),
            ephemeral=True,
            sequential=True,
        )
        try:
            self._session.commit(UNGUARDED, [create], deadline_s=end_s - self._now_s())
        except RejectedError as error:
            raise EffectRefused(f"this controller cannot stand for election: {error}") from error

    def _remove(self, name: str, end_s: float) -> None:
        try:
            delete = Delete(path=f"{self._paths.election}/{name}")
            self._session.commit(UNGUARDED, [delete], deadline_s=end_s - self._now_s())
        except RejectedError as error:
            if error.refusal is not Refusal.MISSING:
                raise EffectRefused(f"this controller cannot step down: {error}") from error

    def _note(self, era: Era, candidates: Mapping[str, Node]) -> None:
        lowest = next(iter(candidates), None)
        if lowest is None:
            self._lead = None
            self._seen = (era, None)
            return
        path = f"{self._paths.election}/{lowest}"
        mine = lowest.startswith(self._prefix) and candidates[lowest].owner == self._session.id
        self._lead = _Lead(node=path, era=era) if mine else None
        self._seen = (era, decode(Candidate, candidates[lowest].data, path=path))
