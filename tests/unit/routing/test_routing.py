"""What `drctl routing` writes, from a configuration alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg.conninfo
import pytest
from click.testing import CliRunner

from drctl.cli.main import program

CONFIGURATION = """
cluster: lis
centers:
  zhaohui: {zookeeper: "192.168.2.10:2181", http: "192.168.2.10:8008"}
  yuecheng: {zookeeper: "192.168.2.20:2181", http: "192.168.2.20:8008"}
  fuyang: {zookeeper: "192.168.2.30:2181", http: "192.168.2.30:8008"}
ssh: {identity: /etc/drctl/id_ed25519, known_hosts: /etc/drctl/known_hosts}
groups:
  lis:
    home: zhaohui
    members:
      lis-zhaohui: {center: zhaohui, host: 192.168.2.10}
      lis-yuecheng: {center: yuecheng, host: 192.168.2.20}
      lis-fuyang: {center: fuyang, host: 192.168.2.30}
      lis-binjiang: {center: zhaohui, host: 192.168.2.50, kind: satellite}
  blood:
    home: fuyang
    members:
      blood-yuecheng: {center: yuecheng, host: 192.168.2.20, port: 5433}
      blood-fuyang: {center: fuyang, host: 192.168.2.30, port: 5433}
"""


@pytest.fixture
def drctl(tmp_path: Path):
    file = tmp_path / "cluster.yaml"
    file.write_text(CONFIGURATION)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(program, ["--config", str(file), "routing", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    return run


def section(text: str, name: str) -> str:
    return text.partition(f"\nlisten {name}\n")[2].partition("\nlisten ")[0]


def test_haproxy_asks_its_own_centers_controller_first(drctl):
    controllers = section(drctl("haproxy", "--center", "yuecheng"), "drctl")
    lines = [line.split() for line in controllers.splitlines() if line.strip().startswith("server ")]
    assert [line[1] for line in lines] == ["yuecheng", "zhaohui", "fuyang"]
    assert [line[-1] for line in lines] == ["check", "backup", "backup"]


def test_a_satellite_is_read_from_and_never_written_to(drctl):
    text = drctl("haproxy")
    assert "lis-binjiang" not in section(text, "lis")
    assert "lis-binjiang" in section(text, "lis-read")


def test_a_group_has_the_same_ports_whether_it_is_written_alone_or_with_all(drctl):
    assert "bind *:5002" in section(drctl("haproxy"), "blood")
    assert "bind *:5002" in section(drctl("haproxy", "blood"), "blood")
    assert "port=5002" in drctl("pgbouncer", "blood")


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="HAProxy is not installed")
def test_haproxy_accepts_it(drctl, tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(drctl("haproxy", "--center", "fuyang", "--bind", "127.0.0.1"))
    done = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_a_connection_string_begins_with_the_own_center_and_names_no_satellite(drctl):
    found = psycopg.conninfo.conninfo_to_dict(drctl("dsn", "lis", "--center", "fuyang", "--dbname", "lis_db").strip())
    assert found["host"] == "192.168.2.30,192.168.2.10,192.168.2.20"
    assert found["target_session_attrs"] == "read-write"
    again = psycopg.conninfo.conninfo_to_dict(drctl("dsn", "lis", "--driver", "uri", "--user", "lis app").strip())
    assert again["host"] == "192.168.2.10,192.168.2.20,192.168.2.30"
    assert again["user"] == "lis app"
    assert "targetServerType=primary" in drctl("dsn", "lis", "--driver", "jdbc")


def test_a_pool_of_several_groups_must_know_whose_the_databases_are(drctl):
    assert "which databases" in drctl("pgbouncer", code=2)
    assert "lis_db_blood = host=127.0.0.1 port=5002 dbname=lis_db" in drctl("pgbouncer", "--database", "lis_db")


def test_a_center_that_does_not_exist_is_refused(drctl):
    assert "there is no center nowhere" in drctl("haproxy", "--center", "nowhere", code=2)
