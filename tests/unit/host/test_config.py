"""`host.json`: every mistake is named with its place."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from drctl.host.config import load, parse
from drctl.host.faults import Invalid

GOOD = {
    "version": 1,
    "state_dir": "/var/lib/drctl-host",
    "members": {
        "lis-zhaohui": {
            "group": "lis",
            "pgdata": "/x/pgdata",
            "bindir": "/usr/lib/postgresql/15/bin",
            "port": 5432,
            "socket_dir": "/x/run",
            "superuser": "postgres",
            "log": "/x/postgresql.log",
            "start": None,
            "stop": ["sudo", "systemctl", "stop", "postgresql@15-main"],
            "replication": {"user": "replicator", "passfile": None, "options": "sslmode=prefer"},
            "rewind_user": "postgres",
            "peers": {"lis-yuecheng": {"host": "10.77.0.12", "port": 5432}},
        }
    },
}
WHERE = Path("/etc/drctl/host.json")


def changed(change):
    value = copy.deepcopy(GOOD)
    change(value, value["members"]["lis-zhaohui"])
    return value


def test_a_good_file_is_understood():
    config = parse(GOOD, WHERE)
    member = config.member("lis-zhaohui")
    assert member.state_dir == Path("/var/lib/drctl-host/lis-zhaohui")
    assert member.peer("lis-yuecheng").host == "10.77.0.12"
    assert member.start is None
    assert member.stop is not None
    assert member.stop[0] == "sudo"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda top, _: top.update(version=2), "version 2 is not known"),
        (lambda top, _: top.pop("state_dir"), "'state_dir' is missing"),
        (lambda top, _: top.update(colour="red"), "unknown key 'colour'"),
        (lambda _, member: member.update(port="5432"), r"members\.lis-zhaohui: 'port' must be a port number"),
        (lambda _, member: member.update(port=True), "'port' must be"),
        (lambda _, member: member.update(port=70000), "must be a port number"),
        (lambda _, member: member.update(pgdata="pgdata"), "'pgdata' must be an absolute path"),
        (lambda _, member: member.update(start="systemctl start x"), "'start' must be null or a list"),
        (lambda _, member: member.update(start=[]), "'start' must be null or a list"),
        (lambda _, member: member.update(log="/x\n/y"), "no control characters"),
        (lambda _, member: member["replication"].update(usr="x"), r"replication: unknown key 'usr'"),
        (lambda _, member: member["peers"]["lis-yuecheng"].pop("host"), r"peers\.lis-yuecheng: 'host' is missing"),
        (lambda top, _: top.update(members=[]), "'members' must be an object"),
        (lambda top, member: top.update(members={"../x": member}), "is no name of a member"),
    ],
)
def test_a_mistake_is_named_with_its_place(change, message):
    with pytest.raises(Invalid, match=message):
        parse(changed(change), WHERE)


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(Invalid, match="cannot be read"):
        load(tmp_path / "host.json")
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(Invalid, match="is no JSON"):
        load(tmp_path / "host.json")
    (tmp_path / "host.json").write_text(json.dumps(GOOD))
    assert load(tmp_path / "host.json").members[0].name == "lis-zhaohui"


def test_an_unknown_member_or_peer_is_refused_with_those_that_are_known():
    config = parse(GOOD, WHERE)
    with pytest.raises(Invalid, match="it has: lis-zhaohui"):
        config.member("his-zhaohui")
    with pytest.raises(Invalid, match="known: lis-yuecheng"):
        config.members[0].peer("lis-fuyang")
