"""The line to a host over a real sshd, with the real drctl-host as its forced command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from drctl.host import bundle
from drctl.model.command import Fence, Promote, Seal, StopMode
from drctl.model.errors import EffectRefused, EffectUnknown, InvalidInput, StaleEpoch, Unreachable
from drctl.model.evidence import Fenced, SealedRole
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName
from drctl.model.report import Postmaster
from drctl.model.rule import SyncSet
from drctl.model.topology import Member
from drctl.ssh import SshHost
from tests.integration.host_fixture import USER, as_user, wait_for

SSHD = "/usr/sbin/sshd"
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="it runs sshd as user postgres"),
    pytest.mark.skipif(not Path(SSHD).exists(), reason="openssh-server is not installed"),
]

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """A database host, as far as SSH sees it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def sessions(self):
        """What runs below it: its own processes for connections, and the forced command's."""
        found, parents = [], {self.process.pid}
        for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            with contextlib.suppress(OSError):
                if int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]) in parents:
                    parents.add(pid)
                    found.append(pid)
        return found

    def signal_sessions(self, number):
        """As if the host froze, thawed or died."""
        for pid in self.sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def host(self, **changed):
        """A new adapter."""
        facts = {
            "user": USER,
            "port": self.port,
            "identity": self.folder / "client_key",
            "known_hosts": self.folder / "known_hosts",
            **changed,
        }
        return SshHost(**facts)


MEMBER = Member(
    name=MemberName("lis-zhaohui"), group=GroupName("lis"), center=CenterName("zhaohui"), host="127.0.0.1", port=5432
)


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


@pytest.fixture
def sshd():
    folder = Path(tempfile.mkdtemp(prefix="drctl-ssh-test-"))
    folder.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    member = {
        "group": "lis",
        "pgdata": str(folder / "pgdata"),
        "bindir": "/usr/lib/postgresql/15/bin",
        "port": 5432,
        "socket_dir": str(folder),
        "log": str(folder / "log"),
    }
    config = {"version": 1, "state_dir": str(folder / "state"), "members": {MEMBER.name: member}}
    (folder / "host.json").write_text(json.dumps(config))
    (folder / "state").mkdir()
    bundle.build(folder / "drctl-host")
    client = make_key(folder / "client_key")
    command = f"/usr/bin/python3 -I -S {folder}/drctl-host serve --config {folder}/host.json"
    (folder / "authorized_keys").write_text(f'command="{command}",restrict {client}\n')
    kind, body, *_ = make_key(folder / "host_key").split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {body}\n")
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder))
    for name in ("host_key", "state"):
        shutil.chown(folder / name, USER)
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(as_user([SSHD, "-D", "-e", "-f", folder / "sshd_config"]), stdout=log, stderr=log)
    one = Sshd(folder=folder, port=port, process=process)
    try:
        wait_for(lambda: listens(port), "sshd to listen")
        yield one
    finally:
        sessions = one.sessions
        process.terminate()
        process.wait(timeout=10)
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder)


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def host(sshd):
    one = sshd.host()
    yield one
    one.close()


def fence(host, epoch, deadline_s=5.0):
    return host.call(MEMBER, epoch=Epoch(epoch), command=Fence(mode=StopMode.IMMEDIATE), deadline_s=deadline_s)


def test_a_host_tells_of_its_member(host):
    report = host.inspect(MEMBER, deadline_s=5.0)
    assert report.answers, report.detail
    assert report.postmaster is Postmaster.DOWN
    assert report.clock_offset_s == pytest.approx(0, abs=0.5)


def test_a_command_is_done_and_a_lower_epoch_is_refused(sshd, host):
    assert fence(host, 5) == Fenced(position=None)
    with pytest.raises(StaleEpoch, match="has seen 5"):
        fence(host, 4)
    other = sshd.host()
    with pytest.raises(StaleEpoch):
        fence(other, 4)
    other.close()
    assert host.inspect(MEMBER, deadline_s=5.0).fenced


def test_what_the_host_refuses_is_known_to_have_had_no_effect(host):
    sync = SyncSet(count=1, members=frozenset({MemberName("lis-yuecheng")}))
    with pytest.raises(EffectRefused, match="was not sealed"):
        host.call(MEMBER, epoch=Epoch(5), command=Promote(sync=sync), deadline_s=5.0)
    unknown = Member(name=MemberName("his"), group=GroupName("his"), center=CenterName("x"), host="127.0.0.1", port=1)
    with pytest.raises(InvalidInput, match="it has: lis-zhaohui"):
        host.call(unknown, epoch=Epoch(5), command=Seal(), deadline_s=5.0)


def test_a_member_that_is_down_is_sealed_as_one(host):
    sealed = host.call(MEMBER, epoch=Epoch(5), command=Seal(), deadline_s=5.0)
    assert (sealed.role, sealed.sealed, sealed.position) == (SealedRole.DOWN, True, None)


def test_many_requests_share_one_line(sshd, host):
    host.inspect(MEMBER, deadline_s=5.0)
    before = sshd.sessions
    with ThreadPoolExecutor(16) as pool:
        reports = list(pool.map(lambda _: host.inspect(MEMBER, deadline_s=10.0), range(48)))
    assert all(report.answers for report in reports)
    assert set(before) <= set(sshd.sessions)


def test_a_changed_host_key_is_refused_and_said(sshd):
    (sshd.folder / "known_hosts").write_text(
        f"[127.0.0.1]:{sshd.port} {' '.join(make_key(sshd.folder / 'other_key').split()[:2])}\n"
    )
    host = sshd.host()
    with pytest.raises(Unreachable, match="is not the one in"):
        fence(host, 5)
    assert "is not the one in" in host.inspect(MEMBER, deadline_s=5.0).detail
    host.close()


def test_an_unknown_host_is_refused_and_said(sshd):
    (sshd.folder / "known_hosts").write_text("")
    host = sshd.host()
    with pytest.raises(Unreachable, match="is not in"):
        fence(host, 5)
    host.close()


def test_a_key_that_the_host_does_not_know_is_said(sshd):
    make_key(sshd.folder / "stranger")
    host = sshd.host(identity=sshd.folder / "stranger")
    with pytest.raises(Unreachable, match="does not accept the key"):
        fence(host, 5)
    host.close()


def test_a_host_without_sshd_is_not_reached_and_nothing_happened(sshd):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = sshd.host(port=int(closed.getsockname()[1]))
        with pytest.raises(Unreachable):
            fence(host, 5)
        host.close()


def test_a_port_that_accepts_and_says_nothing_costs_no_more_than_the_deadline(sshd):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = sshd.host(port=int(silent.getsockname()[1]))
        began_s = time.monotonic()
        with pytest.raises(Unreachable):
            fence(host, 5, deadline_s=1.0)
        assert time.monotonic() - began_s < 10.0
        host.close()


def test_a_frozen_host_leaves_the_effect_unknown_and_a_new_line_is_made_when_it_died(sshd, host):
    fence(host, 5)
    sshd.signal_sessions(signal.SIGSTOP)
    began_s = time.monotonic()
    with pytest.raises(EffectUnknown, match="did not answer fence"):
        fence(host, 6, deadline_s=1.0)
    assert time.monotonic() - began_s < 10.0
    sshd.signal_sessions(signal.SIGKILL)
    wait_for(lambda: host.inspect(MEMBER, deadline_s=2.0).answers, "a new line")
    assert fence(host, 7) == Fenced(position=None)


def test_a_program_that_dies_under_a_request_leaves_the_effect_unknown(sshd, host):
    fence(host, 5)
    sshd.signal_sessions(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(fence, host, 6, 10.0)
        time.sleep(0.3)  # the request is on its way
        sshd.signal_sessions(signal.SIGKILL)
        with pytest.raises(EffectUnknown, match="broke"):
            asked.result(timeout=8)
