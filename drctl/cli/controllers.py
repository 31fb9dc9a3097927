"""Asking the controllers: all centers at once, the first good answer wins."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from drctl.config import Configuration
from drctl.model.errors import InvalidInput, Unreachable
from drctl.model.identity import CenterName, RunId
from drctl.model.run import StepStatus
from drctl.model.snapshot import ENDED, ClusterSnapshot, RunSnapshot
from drctl.model.topology import Address, Center
from drctl.telemetry.codec import Json, from_json

ANSWER_TIMEOUT_S = 1.5
BETTER_ANSWER_S = 0.2
"""How much longer a controller with a coordinator is waited for when one without has answered."""
BODY_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The answer that won, and what is known of the others by then."""

    snapshot: ClusterSnapshot
    silent: Mapping[CenterName, str]
    """Centers whose controllers could not be asked, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    center: CenterName
    body: Json = None
    status: int = 0
    """0 when there was no answer, and `problem` says why."""
    problem: str = ""


def ask_cluster(configuration: Configuration, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Heard:
    """The deployment, from the first controller that knows it well. Raises Unreachable when none answers."""
    end_s = time.monotonic() + timeout_s
    replies = _ask_all(configuration, "/cluster", timeout_s)
    best: ClusterSnapshot | None = None
    silent: dict[CenterName, str] = {}
    for _ in configuration.topology.centers:
        try:
            reply = replies.get(timeout=max(0.0, end_s - time.monotonic()))
        except queue.Empty:
            break
        if reply.status != 200:
            silent[reply.center] = reply.problem or f"answers {reply.status}"
            continue
        snapshot = from_json(ClusterSnapshot, reply.body)
        if snapshot.connected:
            return Heard(snapshot=snapshot, silent=silent)
        if best is None or snapshot.at_utc > best.at_utc:
            best = snapshot
        end_s = min(end_s, time.monotonic() + BETTER_ANSWER_S)
    if best is not None:
        return Heard(snapshot=best, silent=silent)
    raise _nobody(configuration, silent, timeout_s)


def ask_everyone(
    configuration: Configuration, path: str, *, timeout_s: float = ANSWER_TIMEOUT_S, patience_s: float | None = None
) -> tuple[dict[CenterName, Json], dict[CenterName, str]]:
    """Every controller's answer to `path`; and those who gave none, and why.

    `patience_s` is how long the others are waited for when one has answered; None waits for all until `timeout_s`.
    """
    end_s = time.monotonic() + timeout_s
    replies = _ask_all(configuration, path, timeout_s)
    answers: dict[CenterName, Json] = {}
    silent = {center.name: f"no answer within {timeout_s:g} s" for center in configuration.topology.centers}
    for _ in configuration.topology.centers:
        try:
            reply = replies.get(timeout=max(0.0, end_s - time.monotonic()))
        except queue.Empty:
            break
        if reply.status == 200:
            answers[reply.center] = reply.body
            del silent[reply.center]
            if patience_s is not None:
                end_s = min(end_s, time.monotonic() + patience_s)
        else:
            silent[reply.center] = reply.problem or f"answers {reply.status}"
    return answers, silent


def ask_run(configuration: Configuration, run: RunId, *, timeout_s: float = ANSWER_TIMEOUT_S) -> RunSnapshot | None:
    """A run as the controller that knows most of it tells it; None when nobody who answers knows it.

    Raises Unreachable when nobody answers.
    """
    end_s = time.monotonic() + timeout_s
    replies = _ask_all(configuration, f"/runs/{quote(run)}", timeout_s)
    best: RunSnapshot | None = None
    silent: dict[CenterName, str] = {}
    for _ in configuration.topology.centers:
        try:
            reply = replies.get(timeout=max(0.0, end_s - time.monotonic()))
        except queue.Empty:
            break
        if reply.status == 200:
            found = from_json(RunSnapshot, reply.body)
            best = found if best is None or _progress(found) > _progress(best) else best
            # The others may lag behind by a moment, and one of them may be dead: do not wait long for them.
            end_s = min(end_s, time.monotonic() + BETTER_ANSWER_S / 4)
        elif reply.status != 404:
            silent[reply.center] = reply.problem or f"answers {reply.status}"
    if best is None and len(silent) == len(configuration.topology.centers):
        raise _nobody(configuration, silent, timeout_s)
    return best


def _progress(run: RunSnapshot) -> tuple[bool, int, int, int]:
    ended = sum(step.status in ENDED for step in run.steps)
    begun = sum(step.status is StepStatus.RUNNING for step in run.steps)
    return run.outcome is not None, run.epoch, ended, begun


def _ask_all(configuration: Configuration, path: str, timeout_s: float) -> queue.SimpleQueue[_Reply]:
    replies: queue.SimpleQueue[_Reply] = queue.SimpleQueue()

    def ask(center: Center) -> None:
        replies.put(_ask(center, path, timeout_s))

    for center in configuration.topology.centers:
        # Daemons: a dead center must not hold up the end of the program.
        threading.Thread(target=ask, args=(center,), daemon=True).start()
    return replies


def _ask(center: Center, path: str, timeout_s: float) -> _Reply:
    try:
        status, body = _get(center.http, path, timeout_s)
    except (OSError, http.client.HTTPException) as error:
        return _Reply(center=center.name, problem=str(error) or type(error).__name__)
    try:
        return _Reply(center=center.name, status=status, body=json.loads(body))
    except ValueError:
        return _Reply(center=center.name, problem=f"{center.http} does not answer as a controller does")


def _get(address: Address, path: str, timeout_s: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        # The answer holds the socket too, and would keep it open after an error in the middle.
        with connection.getresponse() as response:
            return response.status, response.read(BODY_BYTES_MAX)
    finally:
        connection.close()


def _nobody(configuration: Configuration, silent: Mapping[CenterName, str], timeout_s: float) -> Unreachable:
    lines = [
        f"  {center.name} ({center.http}): {silent.get(center.name, f'no answer within {timeout_s:g} s')}"
        for center in configuration.topology.centers
    ]
    return Unreachable(
        "no controller answers, so nothing is known of the cluster\n" + "\n".join(lines),
        remedy="is it running? on a center's host: systemctl status drctl, "
        f"or start it: drctl controller --config {configuration.file} --center {configuration.topology.centers[0].name}",
    )


def require_run(run: RunSnapshot | None, name: str) -> RunSnapshot:
    """`run`, or InvalidInput when it is not known."""
    if run is None:
        raise InvalidInput(f"run {name} is not known", remedy="see the runs that are kept: drctl history")
    return run
