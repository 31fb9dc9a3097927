"""What every controller sees, in one ephemeral node a center."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from drctl.model.errors import EffectRefused, EffectUnknown, InvalidInput
from drctl.model.identity import CenterName
from drctl.model.report import ObserverReport
from drctl.zookeeper.records import decode, encode
from drctl.zookeeper.transaction import UNGUARDED, Create, Delete, Refusal, RejectedError, Replace, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Node, Reply, Session


class Observers:
    """The reports of the others, and this controller's own."""

    def __init__(self, *, session: Session, paths: Paths, center: CenterName, now_s: Callable[[], float]) -> None:
        self._session = session
        self._paths = paths
        self._path = paths.observer(center)
        self._now_s = now_s
        self._writing = threading.Lock()
        self._wanted: ObserverReport | None = None
        self._told_in_session: int | None = None
        self._reports: Mapping[CenterName, ObserverReport] = {}

    def reports(self) -> Mapping[CenterName, ObserverReport]:
        """The last known reports, from memory."""
        return self._reports

    def publish(self, report: ObserverReport, *, deadline_s: float) -> None:
        """Tell it now, and again after every new session. Raises Unreachable, EffectRefused, EffectUnknown."""
        self._wanted = report
        self._tell(deadline_s)

    def refresh(self, *, deadline_s: float) -> bool:
        """Read the reports, and tell the own one again where its node went with the last session.

        Returns whether there is anything new. Raises Unreachable, InvalidInput when a report cannot be read.
        """
        end_s = self._now_s() + deadline_s
        names = self._session.children(self._paths.observers).take(end_s - self._now_s()) or ()
        asked: list[tuple[CenterName, str, Reply[Node]]] = [
            (CenterName(name), path := self._paths.observer(CenterName(name)), self._session.node(path))
            for name in sorted(names)
        ]
        found = [(name, path, reply.take(end_s - self._now_s())) for name, path, reply in asked]
        before, reports, broken = self._reports, {}, None
        for name, path, node in found:
            if node is None:
                continue
            try:
                reports[name] = decode(ObserverReport, node.data, path=path)
            except InvalidInput as error:
                broken = error
        self._reports = reports
        own = next((node for _, path, node in found if path == self._path), None)
        # A node of another session is taken over once a session; two controllers of one center would fight for ever.
        if self._wanted is not None and (own is None or self._told_in_session != self._session.id):
            self._tell(end_s - self._now_s())
        if broken is not None:
            raise broken
        return reports != before

    def _tell(self, deadline_s: float) -> None:
        end_s = self._now_s() + deadline_s
        with self._writing:
            assert self._wanted is not None, "nothing to tell"
            data = encode(self._wanted)
            session = self._session.id
            if self._told_in_session == session and self._try([Replace(path=self._path, data=data)], end_s):
                return
            node = self._session.peek(self._path).take(end_s - self._now_s())
            create = Create(path=self._path, data=data, ephemeral=True)
            if node is None:
                writes: list[Write] = [create]
            elif node.owner == session:
                writes = [Replace(path=self._path, data=data)]
            else:
                # The last incarnation of this controller, whose session has not expired yet.
                writes = [Delete(path=self._path), create]
            if not self._try(writes, end_s):
                raise EffectRefused(f"the report at {self._path} changes hands; it is tried again")
            self._told_in_session = session

    def _try(self, writes: list[Write], end_s: float) -> bool:
        try:
            self._session.commit(UNGUARDED, writes, deadline_s=end_s - self._now_s())
        except RejectedError as error:
            if error.refusal in {Refusal.MISSING, Refusal.EXISTS}:
                return False
            raise EffectRefused(f"ZooKeeper refuses the report of this controller: {error}") from error
        except EffectUnknown:
            # Told or not, the next refresh looks.
            self._told_in_session = None
            raise
        return True
