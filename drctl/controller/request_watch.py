"""Tells what people asked for, and what was answered: for the audit chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from drctl.model.event import Event, RequestAnswered, RequestSeen
from drctl.model.request import Request, RequestAnswer


class RequestWatch:
    """What the leader saw of one group's requests."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._seen: dict[str, Request] = {}

    def see(self, requests: Iterable[Request]) -> None:
        """Tell each request once."""
        for request in requests:
            if request.id not in self._seen:
                self._seen[request.id] = request
                self._emit(_seen(request))

    def answered(self, answer: RequestAnswer) -> None:
        """Tell an answer that was stored."""
        request = self._seen.pop(answer.request, None)
        if request is None:
            return  # it was seen while another controller led
        self._emit(
            RequestAnswered(
                group=request.group,
                request=request.id,
                kind=request.kind,
                actor=request.operator,
                accepted=answer.accepted,
                reason=request.reason,
                accept_data_loss=request.accept_data_loss,
                run=answer.run or request.run,
                step=request.step,
                message=answer.message,
            )
        )


def _seen(request: Request) -> RequestSeen:
    return RequestSeen(
        group=request.group,
        request=request.id,
        kind=request.kind,
        actor=request.operator,
        signed_by="",
        reason=request.reason,
        candidate=request.candidate,
        not_before_utc=request.not_before_utc,
        accept_data_loss=request.accept_data_loss,
        run=request.run,
        step=request.step,
        made_utc=request.made_utc,
    )
