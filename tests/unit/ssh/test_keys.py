"""Keys are where they must be, and nobody else can read or write them."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from drctl.model.takeover import Finding, FindingSeverity
from drctl.ssh.keys import check_keys

HOSTS = ("10.77.0.11", "10.77.0.12")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    identity, known_hosts = tmp_path / "id", tmp_path / "known_hosts"
    identity.write_text("a key")
    identity.chmod(0o600)
    keys = paramiko.HostKeys()
    for host in HOSTS:
        keys.add(host, "ssh-ed25519", paramiko.Ed25519Key(data=_public()))
        keys.add(f"[{host}]:2222", "ssh-ed25519", paramiko.Ed25519Key(data=_public()))
    keys.save(str(known_hosts))
    known_hosts.chmod(0o644)
    return identity, known_hosts


def _public() -> bytes:
    message = paramiko.Message()
    message.add_string("ssh-ed25519")
    message.add_string(bytes(32))
    return message.asbytes()


def wrong(files: tuple[Path, Path], *, port: int = 22, hosts: tuple[str, ...] = HOSTS) -> list[Finding]:
    found = check_keys(identity=files[0], known_hosts=files[1], port=port, hosts=hosts)
    return [one for one in found if one.severity is not FindingSeverity.OK]


@pytest.mark.parametrize("port", [22, 2222])
def test_keys_in_their_places_are_well(files: tuple[Path, Path], port: int):
    assert wrong(files, port=port) == []


def test_a_key_that_others_may_read_is_an_error_with_its_command(files: tuple[Path, Path]):
    files[0].chmod(0o640)
    (found,) = wrong(files)
    assert found.severity is FindingSeverity.ERROR
    assert found.remedy == f"chmod 600 {files[0]}"
    assert "0640" in found.what


def test_a_key_that_is_not_there_is_an_error(files: tuple[Path, Path]):
    files[0].unlink()
    (found,) = wrong(files)
    assert "ssh-keygen" in found.remedy


def test_a_host_whose_key_is_not_known_is_named(files: tuple[Path, Path]):
    (found,) = wrong(files, hosts=(*HOSTS, "10.77.0.13"))
    assert "10.77.0.13" in found.what
    assert found.remedy.startswith("ssh-keyscan -p 22 10.77.0.13 >>")
    assert len(wrong(files, port=2200)) == 2


def test_known_hosts_that_others_may_write_or_that_are_missing_are_errors(files: tuple[Path, Path]):
    files[1].chmod(0o664)
    (found,) = wrong(files)
    assert found.remedy == f"chmod go-w {files[1]}"
    files[1].unlink()
    (found,) = wrong(files)
    assert "cannot be read" in found.what
