"""What the controllers say, asked over HTTP as any onlooker would."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from chaos.lab.controller import HTTP_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos.lab.lab import Lab

TIMEOUT_S = 0.5


class Sight:
    """The newest picture that any controller gives."""

    def __init__(self, lab: Lab) -> None:
        self._addresses = {name: center.address for name, center in lab.centers.items()}
        self._askers = ThreadPoolExecutor(len(self._addresses), thread_name_prefix="sight")

    def cluster(self) -> Mapping[str, Any] | None:
        """`/cluster` of the leader, else of any controller that answers; None when none does."""
        said = [answer for answer in self._askers.map(_ask, self._addresses.values()) if answer is not None]
        for answer in said:
            if answer.get("leader") == answer.get("center"):
                return answer
        return said[0] if said else None

    def group(self, name: str) -> Mapping[str, Any] | None:
        """The picture of one group; None when nobody answers."""
        cluster = self.cluster()
        if cluster is None:
            return None
        found: Mapping[str, Any] | None = next((group for group in cluster["groups"] if group["name"] == name), None)
        return found

    def run(self, run: str) -> Mapping[str, Any] | None:
        """One run with its steps; None when nobody knows it."""
        for address in self._addresses.values():
            found = _ask(address, f"/runs/{run}")
            if found is not None:
                return found
        return None

    def close(self) -> None:
        """Ask no more."""
        self._askers.shutdown(wait=False, cancel_futures=True)


def _ask(address: str, path: str = "/cluster") -> Mapping[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://{address}:{HTTP_PORT}{path}", timeout=TIMEOUT_S) as answer:
            said: Mapping[str, Any] = json.load(answer)
            return said
    except (OSError, ValueError):
        return None
