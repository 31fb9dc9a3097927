"""drctl-host is installed, put right and replaced over the operator's own ssh, on a real sshd beside a real database."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile

import pytest

from chaos.lab.host import DATABASE_USER, group_id, user_id
from chaos.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(120)]

MEMBER = "lis-zhaohui"


@pytest.fixture(scope="module")
def lab():
    with Lab.up("hostinstall") as one:
        yield one


@pytest.fixture(scope="module")
def words(lab, tmp_path_factory):
    """How the operator reaches zhaohui: with a key of their own, which may do all that the database's user may."""
    folder = tmp_path_factory.mktemp("operator")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True, timeout=30)
    sshd = lab.centers["zhaohui"].sshd
    keys = sshd.folder / "authorized_keys"
    keys.write_text(keys.read_text() + (folder / "key.pub").read_text())
    shutil.chown(sshd.folder, DATABASE_USER, group_id(DATABASE_USER))
    shutil.chown(keys, DATABASE_USER, group_id(DATABASE_USER))
    home = lab.centers["zhaohui"].host.folder / "own"
    home.mkdir()
    shutil.chown(home, user_id(DATABASE_USER), group_id(DATABASE_USER))
    known = lab.keys.known_hosts
    return (
        "--ssh", f"-i {folder / 'key'} -o IdentitiesOnly=yes -o UserKnownHostsFile={known} -F none",
        "--folder", str(home / "drctl-host"),
        "--authorized-keys", str(keys),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fresh(lab, words):
    """`words`, on a host that has never heard of drctl."""
    keys = lab.centers["zhaohui"].sshd.folder / "authorized_keys"
    keys.write_text("".join(line for line in keys.read_text().splitlines(keepends=True) if "command=" not in line))
    return words


def host(lab, *arguments, code=0):
    done = lab.drctl("host", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def installed(lab):
    return lab.centers["zhaohui"].host.folder / "own" / "drctl-host"


def test_a_second_installation_which_would_forget_the_firsts_epochs_is_refused(lab, words):
    said = host(lab, "install", MEMBER, *words, "--yes", code=1)
    assert f"--folder {lab.centers['zhaohui'].drctl_host.folder}" in said
    assert not installed(lab).exists()


def test_a_dry_run_shows_each_change_and_makes_none(lab, fresh):
    before = lab.centers["zhaohui"].sshd.folder.joinpath("authorized_keys").read_text()
    said = host(lab, "install", MEMBER, *fresh, "--dry-run")
    assert "host.json" in said
    assert "it may run this one program and nothing else" in said
    assert '"pgdata": "' + str(lab.member(MEMBER).pgdata) in said
    assert not installed(lab).exists()
    assert lab.centers["zhaohui"].sshd.folder.joinpath("authorized_keys").read_text() == before


def test_an_upgrade_of_what_is_not_there_is_refused(lab, fresh):
    said = host(lab, "upgrade", MEMBER, *fresh, "--yes", code=2)
    assert "is not installed" in said


def test_what_was_installed_answers_the_controllers_key_and_is_not_installed_twice(lab, fresh):
    host(lab, "check", MEMBER, code=3)
    said = host(lab, "install", MEMBER, *fresh, "--yes")
    assert "its postmaster is running" in said
    document = json.loads((installed(lab) / "host.json").read_text())
    assert document["members"][MEMBER]["port"] == 5432
    assert set(document["members"][MEMBER]["peers"]) == {"lis-yuecheng", "lis-fuyang"}
    assert (installed(lab) / "host.json").stat().st_mode & 0o077 == 0
    assert "nothing to change" in host(lab, "install", MEMBER, *fresh, "--yes")


def test_what_a_person_has_set_stays_and_an_upgrade_touches_the_program_alone(lab, fresh):
    config = installed(lab) / "host.json"
    document = json.loads(config.read_text())
    document["members"][MEMBER]["log"] = "/var/log/its-own.log"
    config.write_text(json.dumps(document, indent=1) + "\n")
    older = installed(lab) / "drctl-host"
    with zipfile.ZipFile(older, "a") as archive:
        archive.writestr("of_yesterday.txt", "an older version")
    assert "has this version already" not in host(lab, "upgrade", MEMBER, *fresh, "--yes")
    assert "its-own.log" in config.read_text()
    assert "has this version already" in host(lab, "upgrade", MEMBER, *fresh, "--yes")


def test_a_host_that_does_not_let_the_operator_in_is_named(lab, fresh):
    said = host(lab, "install", "lis-yuecheng", *fresh, "--yes", code=3)
    assert "Permission denied" in said  # the operator's key is not known there
    host(lab, "install", "lis-nowhere", *fresh, "--yes", code=2)
