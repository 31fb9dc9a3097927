"""Names of hosts, and name servers that do not answer."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from drctl.postgres import names as names_module
from drctl.postgres.names import Names


def soon(wait_s: float = 5.0) -> float:
    return time.monotonic() + wait_s


@pytest.fixture
def asked(monkeypatch):
    """What the name server is asked; it answers as told."""

    class Server:
        def __init__(self) -> None:
            self.names: list[str] = []
            self.answer: str | OSError = "10.0.0.1"
            self.may_answer = threading.Event()
            self.may_answer.set()

        def getaddrinfo(self, host, port, **_):
            self.names.append(host)
            assert self.may_answer.wait(10)
            if isinstance(self.answer, OSError):
                raise self.answer
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.answer, 0))]

    server = Server()
    monkeypatch.setattr(names_module.socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.may_answer.set()


@pytest.mark.parametrize("address", ["192.168.2.10", "::1"])
def test_an_address_is_its_own_name(asked, address):
    assert Names().address(address, end_s=soon()) == address
    assert asked.names == []


def test_a_name_is_asked_for_once(asked):
    names = Names()
    assert [names.address("db.example", end_s=soon()) for _ in range(3)] == ["10.0.0.1"] * 3
    assert asked.names == ["db.example"]


def test_a_silent_name_server_is_not_waited_for(asked):
    asked.may_answer.clear()
    names = Names()
    for _ in range(2):
        with pytest.raises(TimeoutError, match=r"db\.example"):
            names.address("db.example", end_s=soon(0.05))
    asked.may_answer.set()
    assert names.address("db.example", end_s=soon()) == "10.0.0.1"
    assert asked.names == ["db.example"]


def test_an_old_answer_is_used_while_a_new_one_is_asked_for(asked, monkeypatch):
    names = Names()
    names.address("db.example", end_s=soon())
    monkeypatch.setattr(names_module, "REFRESH_S", 0.0)
    asked.may_answer.clear()
    asked.answer = "10.0.0.2"
    assert names.address("db.example", end_s=soon(0.05)) == "10.0.0.1"
    asked.may_answer.set()
    end_s = soon()
    while names.address("db.example", end_s=soon()) != "10.0.0.2":
        assert time.monotonic() < end_s


def test_a_name_that_is_not_known_is_told_and_asked_for_again(asked):
    asked.answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    names = Names()
    with pytest.raises(OSError, match=r"db\.example: Name or service not known"):
        names.address("db.example", end_s=soon())
    asked.answer = "10.0.0.1"
    assert names.address("db.example", end_s=soon()) == "10.0.0.1"
