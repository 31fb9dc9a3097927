"""The loop: requests come in on stdin, each is done in a thread of its own, answers go out on stdout as they are ready."""

from __future__ import annotations

import os
import select
import threading
import time

from drctl.host.commands import answer
from drctl.host.config import HostConfig
from drctl.host.faults import HostFault, Refused, Unknown
from drctl.host.wire import LINE_BYTES_MAX, Answer, Failure, MalformedMessage, Request, decode_request, encode_answer

IN_FLIGHT_MAX = 32
IDLE_S = 900.0
"""A controller asks every few seconds. One that is silent for longer has gone, although nobody closed the channel."""


class Server:
    """One channel of one controller."""

    def __init__(self, config: HostConfig, requests: int, answers: int) -> None:
        """`requests` and `answers` are file descriptors."""
        self._config = config
        self._requests = requests
        self._answers = answers
        self._writing = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def run(self) -> None:
        """Until the channel ends. What was begun is ended in peace: every command has a deadline of its own."""
        buffer = bytearray()
        while select.select([self._requests], [], [], IDLE_S)[0]:
            chunk = os.read(self._requests, 65536)
            if not chunk:
                break
            buffer += chunk
            *lines, rest = bytes(buffer).split(b"\n")
            buffer = bytearray(rest)
            for line in lines:
                if line.strip():
                    self._take(line)
            if len(buffer) > LINE_BYTES_MAX:
                break
        for thread in list(self._threads):
            thread.join()

    def _take(self, line: bytes) -> None:
        try:
            request = decode_request(line)
        except MalformedMessage as error:
            self._say(
                Answer(0, None, Failure("invalid", f"not a request: {error}", "install the same drctl everywhere"), 0.0)
            )
            return
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        if len(self._threads) >= IN_FLIGHT_MAX:
            self._say(_failed(request, Refused(f"{IN_FLIGHT_MAX} requests are under way already", "ask again"), 0.0))
            return
        thread = threading.Thread(target=self._do, args=(request,), name=f"{request.command} {request.member}")
        self._threads.add(thread)
        thread.start()

    def _do(self, request: Request) -> None:
        began_s = time.monotonic()
        try:
            said = Answer(request.id, answer(self._config, request), None, time.monotonic() - began_s)
        except HostFault as fault:
            said = _failed(request, fault, time.monotonic() - began_s)
        except OSError as error:
            said = _failed(
                request,
                Unknown(f"{request.command}: {error}", "look at the host before acting again"),
                time.monotonic() - began_s,
            )
        self._say(said)

    def _say(self, said: Answer) -> None:
        line = encode_answer(said)
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._answers, line) :]
            except BrokenPipeError:
                return  # the controller has gone; what it asked for is done all the same


def _failed(request: Request, fault: HostFault, elapsed_s: float) -> Answer:
    return Answer(request.id, None, Failure(fault.kind, fault.message, fault.remedy), elapsed_s)
