"""What the voters' answers mean."""

from __future__ import annotations

import socket
import threading

from drctl.model.identity import CenterName
from drctl.model.takeover import Finding, FindingSeverity
from drctl.model.topology import Address
from drctl.zookeeper.ensemble import check_voters, judge

A, B, C = (CenterName(name) for name in ("zhaohui", "yuecheng", "fuyang"))
VOTERS = {center: Address(host=f"10.77.0.{n}", port=2181) for n, center in enumerate((A, B, C), start=11)}
LEADS = "Zookeeper version: 3.8.0\nLatency min/avg/max: 0/0.5/12\nMode: leader\nNode count: 5\n"
FOLLOWS = LEADS.replace("leader", "follower")
ERROR, WARNING = FindingSeverity.ERROR, FindingSeverity.WARNING


def wrong(*answers: str) -> list[Finding]:
    found = judge(VOTERS, dict(zip(VOTERS, answers, strict=True)))
    bad = [one for one in found if one.severity is not FindingSeverity.OK]
    assert all(one.remedy and one.why for one in bad)
    return bad


def test_an_ensemble_that_serves_is_well():
    assert wrong(LEADS, FOLLOWS, FOLLOWS) == []


def test_a_lost_voter_is_a_warning_and_a_lost_majority_an_error():
    (one,) = wrong(LEADS, FOLLOWS, "!Connection refused")
    assert (one.subject, one.severity) == (C, WARNING)
    assert "Connection refused" in one.what
    assert [
        (two.subject, two.severity)
        for two in wrong("This ZooKeeper instance is not currently serving requests\n", "!x", FOLLOWS)
    ] == [
        (A, ERROR),
        (B, ERROR),
    ]


def test_a_server_that_may_not_tell_is_not_taken_for_dead():
    assert wrong(LEADS, FOLLOWS, "srvr is not executed because it is not in the whitelist.\n") == []


def test_servers_that_stand_alone_or_lead_twice_are_errors():
    alone = LEADS.replace("leader", "standalone")
    assert [one.severity for one in wrong(alone, alone, alone)] == [ERROR]
    (twice,) = wrong(LEADS, LEADS, FOLLOWS)
    assert "2 servers say that they lead" in twice.what


def test_a_slow_server_is_told():
    (slow,) = wrong(LEADS, FOLLOWS, FOLLOWS.replace("0/0.5/12", "1/250.0/4000"))
    assert slow.severity is WARNING
    assert "250 ms" in slow.what


def test_a_complaint_about_the_sessions_timeout_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            with link:
                link.recv(16)
                link.sendall(LEADS.encode())

        answering = threading.Thread(target=answer)
        answering.start()
        voters = {A: Address(host="127.0.0.1", port=server.getsockname()[1])}
        found = list(check_voters(voters, complaint="ZooKeeper grants sessions of 4 s"))
        answering.join(5)
    assert [one.severity for one in found] == [FindingSeverity.OK, WARNING]
    assert "minSessionTimeout" in found[1].remedy
