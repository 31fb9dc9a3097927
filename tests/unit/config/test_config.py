"""cluster.yaml: what is read, and what is said of every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drctl.config import Configuration, ConfigurationInvalid, Secret, load, parse
from drctl.config.policy_keys import FIELD_OF_KEY, key_of
from drctl.config.schema import json_schema
from drctl.config.secret import SecretSource
from drctl.model.errors import InvalidInput
from drctl.model.policy import Policy, Switchback
from drctl.model.topology import Address, MemberKind
from drctl.model.units import format_duration, format_size, parse_duration_s, parse_size_bytes

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"

VALID = """\
cluster: lab
centers:
  zhaohui: {label: 朝晖, zookeeper: 10.77.0.11:2181, http: 10.77.0.11:8008}
  yuecheng: {zookeeper: 10.77.0.12:2181, http: 10.77.0.12:8008}
  fuyang: {zookeeper: 10.77.0.13:2181, http: 10.77.0.13:8008}
ssh:
  identity: /etc/drctl/id_ed25519
  known_hosts: /etc/drctl/known_hosts
groups:
  lis:
    home: zhaohui
    members:
      lis-zhaohui: {center: zhaohui, host: 10.77.0.11}
      lis-yuecheng: {center: yuecheng, host: 10.77.0.12, priority: 5}
      lis-fuyang: {center: fuyang, host: 10.77.0.13}
    policy:
      switchback: window
policy:
  suspicion: 3s
  lag_max: 1MiB
"""


def problems_of(text: str) -> dict[str, str]:
    """What is said, by key path."""
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(text)
    return {
        ".".join(map(str, problem.path)): f"{problem.message} | {problem.remedy}" for problem in caught.value.problems
    }


def changed(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new)


def warnings_of(text: str) -> str:
    return "\n".join(map(str, parse(text).warnings))


def test_a_valid_file_becomes_topology_policy_and_settings() -> None:
    configuration = parse(VALID)
    topology = configuration.topology
    assert topology.cluster == "lab"
    assert [center.label for center in topology.centers] == ["朝晖", "yuecheng", "fuyang"]
    assert topology.centers[0].http == Address(host="10.77.0.11", port=8008)
    group = topology.groups[0]
    assert (group.home, group.members[1].priority, group.members[0].port) == ("zhaohui", 5, 5432)
    assert group.members[0].kind is MemberKind.PEER
    assert group.policy == Policy(suspicion_s=3.0, lag_bytes_max=1024 * 1024, switchback=Switchback.WINDOW)
    assert configuration.zookeeper.session_timeout_s == 1.5
    assert configuration.database.password is None
    assert configuration.warnings == ()


def test_the_example_of_the_reference_is_valid_and_shows_the_defaults() -> None:
    configuration = load(REFERENCE / "cluster.yaml")
    assert configuration.topology.groups[0].policy == Policy()
    assert configuration.warnings == ()
    assert [str(center.http) for center in configuration.topology.centers] == [
        "192.168.2.10:8008",
        "192.168.2.20:8008",
        "192.168.2.30:8008",
    ]


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = json.loads((REFERENCE / "cluster.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema(), "type: drctl config schema > docs/reference/cluster.schema.json"


def test_every_key_of_the_schema_says_what_it_is() -> None:
    schema = json_schema()
    entries = [schema, *schema["$defs"].values()]
    assert not [key for entry in entries for key, found in entry["properties"].items() if not found.get("description")]


def test_every_constant_of_the_policy_has_a_key_without_its_unit() -> None:
    assert key_of("suspicion_s") == "suspicion"
    assert key_of("lag_bytes_max") == "lag_max"
    assert key_of("retry_after_max_s") == "retry_after_max"
    assert key_of("failovers_per_hour") == "failovers_per_hour"
    assert parse(VALID).effective["groups.lis.policy.suspicion"] == "3s"
    assert {f"groups.lis.policy.{key}" for key in FIELD_OF_KEY} <= parse(VALID).effective.keys()


def test_all_errors_are_told_at_once_with_file_line_and_column() -> None:
    text = (
        changed("http: 10.77.0.11:8008", "http: 10.77.0.11")
        .replace("home: zhaohui", "home: zaohui")
        .replace("suspicion: 3s", "suspicion: 700ms")
        .replace("priority: 5", "priorty: 5")
    )
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(text, file="/etc/drctl/cluster.yaml")
    told = caught.value.message
    assert "/etc/drctl/cluster.yaml has 5 errors; nothing was done" in told
    assert (
        "/etc/drctl/cluster.yaml:3:52: centers.zhaohui.http: is '10.77.0.11', expected an address with a port" in told
    )
    assert "groups.lis.home: is 'zaohui', expected the name of a center of this file" in told
    assert "write `zhaohui`" in told
    assert "did you mean `priority`?" in told
    assert "probe_interval + probe_timeout must be less than suspicion (probe_interval is 500ms" in told
    assert caught.value.remedy.startswith("edit /etc/drctl/cluster.yaml")


@pytest.mark.parametrize(
    ("old", "new", "path", "says"),
    [
        ("cluster: lab", "cluster: Lab", "cluster", "expected a name"),
        ("cluster: lab\n", "", "cluster", "is missing, expected a name"),
        ("ssh:\n  identity: /etc/drctl/id_ed25519\n  known_hosts: /etc/drctl/known_hosts\n", "", "ssh", "is missing"),
        ("suspicion: 3s", "suspicion: 3", "policy.suspicion", "expected a duration"),
        ("suspicion: 3s", "suspicion: 0s", "policy.suspicion", "greater than zero"),
        ("suspicion: 3s", "suspicion: -3s", "policy.suspicion", "expected a duration"),
        ("suspicion: 3s", "suspicion:", "policy.suspicion", "has no value"),
        ("suspicion: 3s", "suspision: 3s", "policy.suspision", "did you mean `suspicion`?"),
        ("suspicion: 3s", "suspicion_s: 3s", "policy.suspicion_s", "did you mean `suspicion`?"),
        ("lag_max: 1MiB", "lag_max: 1MB", "policy.lag_max", "expected a size"),
        ("lag_max: 1MiB", "sync_count: 0", "policy.sync_count", "at least 1"),
        ("lag_max: 1MiB", "sync_count: 3", "policy.sync_count", "only 2 standbys"),
        ("lag_max: 1MiB", "marker_interval: 3s", "policy.marker_interval", "marker_interval must be less than suspicion"),
        ("lag_max: 1MiB", "switchback_window: 2-4", "policy.switchback_window", "two local times of day"),
        ("lag_max: 1MiB", "on_crash: wait", "policy.on_crash", "one of failover, restart"),
        ("switchback: window", "switchback: never ever", "groups.lis.policy.switchback", "one of never"),
        ("identity: /etc", "identity: etc", "ssh.identity", "an absolute path"),
        ("ssh:\n", "ssh:\n  suspicion: 2s\n", "ssh.suspicion", "it belongs below `policy`"),
        ("center: fuyang,", "center: fuyan,", "groups.lis.members.lis-fuyang.center", "write `fuyang`"),
        ("home: zhaohui", "home: [zhaohui]", "groups.lis.home", "is a list"),
        ("host: 10.77.0.13", "host: 10.77.0.12", "groups.lis.members.lis-fuyang", "the address of groups.lis.members.lis-yuecheng"),
        ("host: 10.77.0.13", "host: 10.77.0.13, port: 70000", "groups.lis.members.lis-fuyang.port", "from 1 to 65535"),
        ("host: 10.77.0.13", "host: 10.77.0.13, port: '5432'", "groups.lis.members.lis-fuyang.port", "is '5432'"),
        ("lis-fuyang: {", "LIS-fuyang: {", "groups.lis.members.LIS-fuyang", "is no name"),
        ("zookeeper: 10.77.0.13:2181", "zookeeper: 10.77.0.12:2181", "centers.fuyang.zookeeper", "the address of centers.yuecheng"),
        ("policy:\n  suspicion", "zookeeper: {session_timeout: 9h}\npolicy:\n  suspicion", "zookeeper.session_timeout", "grants"),
        ("    policy:\n      switchback: window", "    after: [lis]", "groups.lis.after", "would wait for itself"),
        ("    policy:\n      switchback: window", "    after: [pacs]", "groups.lis.after.0", "the name of a group"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_key_and_what_was_expected(old: str, new: str, path: str, says: str) -> None:
    told = problems_of(changed(old, new))
    assert path in told, told
    assert says in told[path], told
    assert len(told) == 1, f"one mistake, one message: {told}"


def test_a_secret_that_stands_in_the_file_is_refused_and_not_repeated() -> None:
    text = changed("ssh:\n", "database:\n  password: hunter2\nssh:\n")
    told = problems_of(text)
    assert "a reference to a secret" in told["database.password"]
    assert "hunter2" not in str(told)


def test_a_wrong_policy_of_the_deployment_is_told_once_however_many_groups_there_are() -> None:
    second = VALID[VALID.index("  lis:\n") : VALID.index("policy:\n  suspicion")].replace("lis", "pacs")
    text = changed("policy:\n  suspicion: 3s", second + "policy:\n  suspicion: 1s").replace(
        "host: 10.77.0.11}\n      pacs", "host: 10.77.0.11}\n      pacs"
    )
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(text)
    assert sum("probe_interval + probe_timeout" in problem.message for problem in caught.value.problems) == 1


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    told = problems_of(VALID + "policy: {}\n")
    assert "is here a second time (first in line 18)" in told["policy"]


def test_a_member_name_is_unique_in_the_deployment() -> None:
    other = "  pacs:\n    home: zhaohui\n    members:\n"
    other += "      lis-zhaohui: {center: zhaohui, host: 10.77.0.11, port: 5433}\n"
    other += "      pacs-fuyang: {center: fuyang, host: 10.77.0.13, port: 5433}\n"
    told = problems_of(changed("policy:\n  suspicion", other + "policy:\n  suspicion"))
    assert "group lis has a member of this name too" in told["groups.pacs.members.lis-zhaohui"]


def test_two_centers_are_too_few() -> None:
    text = changed("  fuyang: {zookeeper: 10.77.0.13:2181, http: 10.77.0.13:8008}\n", "").replace(
        "      lis-fuyang: {center: fuyang, host: 10.77.0.13}\n", ""
    )
    assert "has 2 of at least 3 centers" in problems_of(text)["centers"]


def test_what_works_and_is_unwise_is_a_warning() -> None:
    assert "stand in one center" in warnings_of(changed("center: fuyang,", "center: yuecheng,"))
    slow = changed("ssh:\n", "zookeeper: {session_timeout: 10s}\nssh:\n")
    assert "failover waits for the session to expire" in warnings_of(slow)
    four = changed("ssh:\n", "  binjiang: {zookeeper: 10.77.0.14:2181, http: 10.77.0.14:8008}\nssh:\n")
    assert "4 centers" in warnings_of(four)


def test_a_satellite_is_no_standby() -> None:
    text = changed("host: 10.77.0.13}", "host: 10.77.0.13, kind: satellite}").replace("lag_max: 1MiB", "sync_count: 2")
    assert "only 1 standby" in problems_of(text)["policy.sync_count"]


def test_words_that_yaml_1_1_takes_for_something_else_are_text() -> None:
    configuration = parse(changed("fuyang: {zookeeper", "no: {zookeeper").replace("center: fuyang", "center: no"))
    assert configuration.topology.centers[2].name == "no"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "holds no mapping"),
        ("cluster: [\n", "is no valid YAML"),
        ("cluster:\n\t- x\n", "is no valid YAML"),
        ("cluster: \x07\n", "a character that YAML does not allow"),
        ("a: &a [1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" + "".join(
            f"{chr(99 + n)}: &{chr(99 + n)} [{','.join(['*' + chr(98 + n)] * 9)}]\n" for n in range(8)), "too large"),
        ("a: &a {b: *a}\n", "too deep"),
    ],
)  # fmt: skip
def test_text_that_is_no_configuration_is_told_without_a_traceback(text: str, says: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(text)
    assert says in caught.value.message


def test_a_file_that_is_not_there_is_told_with_the_way_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path / "none.yaml")
    assert "there is no configuration at" in caught.value.message
    assert "--config" in caught.value.remedy
    (tmp_path / "latin.yaml").write_bytes(b"cluster: \xe9")
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        load(tmp_path / "latin.yaml")


@given(st.text(max_size=60), st.integers(min_value=0, max_value=VALID.count("\n")))
def test_no_line_of_noise_raises_anything_but_the_list_of_errors(noise: str, line: int) -> None:
    lines = VALID.splitlines()
    lines[line:line] = [noise]
    try:
        found: Configuration | ConfigurationInvalid = parse("\n".join(lines))
    except ConfigurationInvalid as error:
        found = error
    assert isinstance(found, Configuration) or found.problems


def test_equal_meanings_have_equal_digests() -> None:
    assert parse(VALID).digest == parse(changed("suspicion: 3s", "suspicion: 3000ms # the same")).digest
    assert parse(VALID).digest != parse(changed("suspicion: 3s", "suspicion: 4s")).digest


def test_a_secret_is_read_where_its_reference_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("geheim\n", encoding="utf-8")
    assert Secret(source=SecretSource.FILE, name=str(file)).read() == "geheim"
    monkeypatch.setenv("DRCTL_TEST_SECRET", "secret")
    assert Secret(source=SecretSource.ENV, name="DRCTL_TEST_SECRET").read() == "secret"
    for missing in (
        Secret(source=SecretSource.ENV, name="DRCTL_TEST_NONE"),
        Secret(source=SecretSource.FILE, name=str(tmp_path / "none")),
    ):
        with pytest.raises(InvalidInput):
            missing.read()


@given(st.integers(min_value=1, max_value=10**9))
def test_a_duration_is_read_as_it_is_written(milliseconds: int) -> None:
    assert parse_duration_s(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(min_value=0, max_value=2**50))
def test_a_size_is_read_as_it_is_written(size_bytes: int) -> None:
    assert parse_size_bytes(format_size(size_bytes)) == size_bytes


@pytest.mark.parametrize("text", ["", "2", "s", "2 s", "2d", "1e3s", "٢s", "-1s", "2s\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration_s(text)
