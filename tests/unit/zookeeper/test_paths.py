from __future__ import annotations

import pytest

from drctl.model.errors import InvalidInput
from drctl.model.identity import Epoch, GroupName, RunId, run_id
from drctl.zookeeper.paths import Paths, run_group, run_number, sequence

PATHS = Paths(root="/drctl", cluster="lab")


def test_everything_of_a_cluster_is_below_its_root():
    assert PATHS.top == "/drctl/lab"
    assert PATHS.record(GroupName("lis")) == "/drctl/lab/groups/lis/record"
    assert Paths(root="/", cluster="lab").top == "/lab"


def test_the_skeleton_names_parents_before_children():
    assert PATHS.skeleton == (
        "/drctl",
        "/drctl/lab",
        "/drctl/lab/election",
        "/drctl/lab/observers",
        "/drctl/lab/groups",
        "/drctl/lab/audit",
        "/drctl/lab/audit/pieces",
        "/drctl/lab/audit/centers",
    )


def test_finished_runs_sort_by_age():
    group = GroupName("lis-zhaohui")
    names = [PATHS.finished(group, run_id(group, Epoch(epoch))) for epoch in (2, 10, 100, 9)]
    ages = [run_number(RunId(name.rpartition("/")[2])) for name in sorted(names)]
    assert ages == [2, 9, 10, 100]


def test_a_group_whose_name_has_dashes_is_found_in_its_runs_ids():
    assert run_group(RunId("lis-zhaohui-12")) == "lis-zhaohui"
    assert run_number(RunId("lis-zhaohui-12")) == 12


@pytest.mark.parametrize("wrong", ["lis", "", "lis-x", "lis-", "lis-١", "lis-12345678901"])
def test_what_is_no_run_id_is_refused_in_words(wrong: str):
    with pytest.raises(InvalidInput, match="not the id of a run"):
        run_number(RunId(wrong))


@pytest.mark.parametrize(
    ("root", "cluster"), [("drctl", "lab"), ("/drctl/", "lab"), ("/a/../b", "lab"), ("/drctl", "")]
)
def test_a_root_that_zookeeper_would_refuse_is_refused_in_words(root: str, cluster: str):
    with pytest.raises(InvalidInput, match="not a place in ZooKeeper"):
        Paths(root=root, cluster=cluster)


def test_the_number_of_a_sequential_node_is_its_last_ten_digits():
    assert sequence("deadbeef-0000000042") == 42
