"""What is missing is named with the command that provides it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.lab import requirements
from chaos.lab.errors import LabError


@pytest.fixture
def everything_here(monkeypatch, tmp_path):
    """A machine that lacks nothing, as far as these checks can see; no kernel is asked."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(requirements, "ZOOKEEPER_JAR", tmp_path)
    monkeypatch.setattr(requirements, "SYSTEM_PYTHON", tmp_path)
    monkeypatch.setattr(requirements, "_missing_from_the_kernel", list)
    monkeypatch.setattr(requirements, "_missing_for_postgres", lambda _bindir: [])
    return monkeypatch


def test_a_machine_with_everything_lacks_nothing(everything_here):
    assert requirements.missing_requirements() == []
    requirements.require()


def test_who_is_not_root_is_told_to_be(everything_here):
    everything_here.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"not root: .*\n  type: sudo make demo"):
        requirements.require()


@pytest.mark.parametrize(
    ("program", "package"), [("java", "default-jre-headless"), ("sshd", "openssh-server"), ("nft", "nftables")]
)
def test_a_missing_program_is_named_with_its_debian_package(everything_here, program, package):
    everything_here.setattr("shutil.which", lambda wanted: None if wanted == program else f"/usr/bin/{wanted}")
    (missing,) = requirements.missing_requirements()
    assert missing.what == f"{program} is not installed"
    assert missing.remedy == f"apt-get install {package}"


def test_zookeeper_without_its_jar_is_missing(everything_here):
    everything_here.setattr(requirements, "ZOOKEEPER_JAR", Path("/nonexistent/zookeeper.jar"))
    (missing,) = requirements.missing_requirements()
    assert missing.remedy == "apt-get install zookeeper"


def test_everything_that_is_missing_is_told_at_once(everything_here):
    everything_here.setattr("shutil.which", lambda _wanted: None)
    everything_here.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError) as caught:
        requirements.require()
    assert all(word in str(caught.value) for word in ("iproute2", "nftables", "openssh-server", "not root"))
