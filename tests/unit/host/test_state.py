"""What a host remembers of a member."""

from __future__ import annotations

from drctl.host import ownconf, replace, state
from drctl.host.config import parse
from drctl.host.files import write_json
from tests.unit.host.test_config import GOOD, WHERE


def member_in(tmp_path):
    member = parse(GOOD, WHERE).members[0]._replace(state_dir=tmp_path / "state", pgdata=tmp_path / "pgdata")
    member.pgdata.mkdir()
    member.state_dir.mkdir()
    return member


def test_a_state_is_remembered_and_a_newer_drctls_words_are_ignored(tmp_path):
    assert state.load(tmp_path) == state.MemberState()
    state.save(tmp_path, state.MemberState(sealed_epoch=5, conninfo="host=a"))
    text = (tmp_path / "member.json").read_text().replace('"sealed_epoch"', '"of_the_future": 1, "sealed_epoch"')
    (tmp_path / "member.json").write_text(text)
    assert state.load(tmp_path) == state.MemberState(sealed_epoch=5, conninfo="host=a")


def test_a_fence_holds_even_when_its_file_is_damaged(tmp_path):
    assert state.may_start(tmp_path)
    state.put_up_fence(tmp_path, 5)
    assert state.fence_epoch(tmp_path) == 5
    (tmp_path / "fence.json").write_text("")
    assert not state.may_start(tmp_path)
    state.lift_fence(tmp_path)
    assert state.may_start(tmp_path)


def test_a_half_rewound_member_must_not_start(tmp_path):
    state.begin_rewind(tmp_path, "lis-yuecheng")
    assert not state.may_start(tmp_path)
    state.end_rewind(tmp_path)
    assert state.may_start(tmp_path)


def test_the_own_settings_come_back_and_the_upstreams_go(tmp_path):
    member = member_in(tmp_path)
    (member.pgdata / "postgresql.auto.conf").write_text("own")
    (member.pgdata / "conf.d").mkdir()
    (member.pgdata / "conf.d" / "own.conf").write_text("own")
    (member.pgdata / "server.key").write_text("own")
    (member.pgdata / "PG_VERSION").write_text("18")
    ownconf.save(member)
    for name in ("postgresql.auto.conf", "server.key", "conf.d/own.conf"):
        (member.pgdata / name).write_text("upstream's")
    (member.pgdata / "theirs.conf").write_text("upstream's")
    # Interrupted: what is in the folder now is not its own, so a second save must not take it.
    state.begin_rewind(member.state_dir, "lis-yuecheng")
    ownconf.save(member)
    ownconf.write_again(member, member.pgdata)
    for name in ("postgresql.auto.conf", "server.key", "conf.d/own.conf"):
        assert (member.pgdata / name).read_text() == "own"
    assert not (member.pgdata / "theirs.conf").exists()
    assert (member.pgdata / "PG_VERSION").exists()


def swap_in(member, *, old, current, fresh):
    paths = {"old": member.pgdata.with_name("old"), "fresh": member.pgdata.with_name("fresh")}
    for path, wanted in ((paths["old"], old), (member.pgdata, current), (paths["fresh"], fresh)):
        if path.exists():
            path.rmdir()
        if wanted:
            path.mkdir()
            (path / wanted).touch()
    write_json(member.state_dir / "swap.json", {name: str(path) for name, path in paths.items()})


def test_a_swap_is_finished_wherever_it_was_interrupted(tmp_path):
    cases = [
        {"old": "", "current": "was", "fresh": "new"},
        {"old": "was", "current": "", "fresh": "new"},
        {"old": "was", "current": "new", "fresh": ""},
        {"old": "", "current": "new", "fresh": ""},
    ]
    for number, case in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        member = member_in(tmp_path / str(number))
        swap_in(member, **case)
        state.begin_rewind(member.state_dir, "lis-yuecheng")
        replace.finish_swap(member)
        assert (member.pgdata / "new").exists(), case
        assert sorted(path.name for path in member.pgdata.parent.iterdir()) == ["pgdata", "state"]
        assert state.may_start(member.state_dir)
        replace.finish_swap(member)
