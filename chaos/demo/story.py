"""The story: load, loss of the primary's center, failover, return, and the reckoning over every member."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from chaos.demo.clients import RATE_PER_S, Clients
from chaos.demo.sight import Sight
from chaos.lab.errors import LabError
from chaos.lab.lab import DATABASE, Lab
from chaos.oracles.dump import NotQuiet, read_members
from chaos.oracles.judgement import judge, overall
from chaos.oracles.outage import acknowledged_rate, longest_gap_s, measure_outage
from chaos.oracles.table import verdict_table
from chaos.oracles.verdict import Result
from chaos.workload.ledger import read_history
from chaos.workload.plot import Mark, plot_rate
from drctl.model.identity import MemberName

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.demo.stage import Stage
    from chaos.oracles.verdict import Verdict

WARM_UP_S = 10.0
"""Load before the fault, so that there is something to lose."""
AFTERWARDS_S = 8.0
"""Load after the return of service, so that it is seen to last."""
IN_SYNC_S = 3.0
SERVICE_DEADLINE_S = 60.0
SWITCHBACK_DEADLINE_S = 60.0
REJOIN_DEADLINE_S = 60.0
QUIET_DEADLINE_S = 30.0
POLL_S = 0.1


class DemoFailed(Exception):
    """Why the demo did not show what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The figures of the last line."""

    rto_s: float
    switchback_gap_s: float
    """The longest time without an acknowledged write while the group went home."""
    lost: int
    acked: int
    rejoined: int

    def line(self) -> str:
        """For machines."""
        figures = {
            "rto_s": f"{self.rto_s:.2f}",
            "switchback_gap_s": f"{self.switchback_gap_s:.2f}",
            "lost": self.lost,
            "acked": self.acked,
            "rejoined": self.rejoined,
        }
        return "DEMO OK " + " ".join(f"{name}={value}" for name, value in figures.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """When what happened, on the machine's monotonic clock."""

    fault_ns: int
    back_ns: int
    """When the lost center was in sync again."""
    home_ns: int
    """When the switchback was asked for."""
    homed_ns: int
    """When it was done, and everybody in sync."""


def tell(lab: Lab, stage: Stage) -> Tally:
    """Tell the whole story. Raises DemoFailed, LabError."""
    group = lab.groups[0].name
    sight = Sight(lab)
    clients = Clients(lab, lab.folder)
    try:
        stage.chapter("The laboratory at its peak")
        _await(stage, clients, lambda: _protected(sight, group), SERVICE_DEADLINE_S, "the group is fully protected")
        clients.install()
        stage.say(
            f"the laboratory's tables are loaded; clients of three centers begin, {RATE_PER_S:.0f} operations a second"
        )
        with clients:
            _let_run(stage, clients, WARM_UP_S, "warming up")
            before = clients.pulse()
            if before.acked == 0:
                raise DemoFailed(
                    f"no operation was acknowledged before the fault ({clients.broken() or 'all clients run'})"
                )
            lost_center = _lose_the_center(lab, stage, sight, group)
            fault_ns = time.monotonic_ns()
            _watch_the_failover(stage, clients, sight, group, lost_center)
            _let_run(stage, clients, AFTERWARDS_S, "service goes on")
            stage.chapter(f"{lost_center} has power again")
            lab.power_on(lost_center)
            stage.say("its machines start; drctl brings its database back as a standby")
            _watch_the_rejoin(stage, clients, sight, group)
            back_ns = time.monotonic_ns()
            _let_run(stage, clients, IN_SYNC_S, "all three centers in sync")
            stage.chapter(f"{group} goes home")
            home_ns = time.monotonic_ns()
            _switch_back(lab, stage, clients, sight, group)
            homed_ns = time.monotonic_ns()
            _let_run(stage, clients, IN_SYNC_S, "at home again")
        stage.chapter("The reckoning")
        moments = Moments(fault_ns=fault_ns, back_ns=back_ns, home_ns=home_ns, homed_ns=homed_ns)
        return _reckon(lab, stage, clients, group, moments)
    finally:
        clients.stop()
        sight.close()


def _lose_the_center(lab: Lab, stage: Stage, sight: Sight, group: str) -> str:
    picture = sight.group(group)
    if picture is None or not picture["primary"]:
        raise DemoFailed("no controller says which member is the primary")
    center = lab.member(picture["primary"]).center
    zookeeper = " and with ZooKeeper's leader" if lab.zookeeper_leader() == center else ""
    stage.chapter(f"{center} loses its power, with the primary {picture['primary']}{zookeeper}")
    stage.fault()
    lab.power_off(center)
    stage.say("every process there is killed, its links are down")
    return center


def _watch_the_failover(stage: Stage, clients: Clients, sight: Sight, group: str, lost_center: str) -> None:
    begun_s = time.monotonic()
    acked = clients.pulse().acked
    run_id = ""
    while time.monotonic() - begun_s < SERVICE_DEADLINE_S:
        picture = sight.group(group)
        pulse = clients.pulse()
        if picture is not None:
            run = picture["run"] or next(iter(picture["history"]), None)
            if run is not None and run["kind"] == "failover":
                run_id = run["id"]
                stage.run(sight.run(run_id) or run)
            moved = not picture["primary"].endswith(lost_center)
            served = pulse.member.endswith(lost_center) is False and pulse.rate_per_s > 0 and pulse.acked > acked
            if moved and served and picture["run"] is None:
                finished = sight.run(run_id) if run_id else None
                if finished is not None:
                    stage.run(finished)
                stage.say(f"[green]the clients are served by {pulse.member}[/green]")
                return
        _check(clients)
        stage.now(pulse, "waiting for service")
        time.sleep(POLL_S)
    raise DemoFailed(f"no service within {SERVICE_DEADLINE_S:.0f} s of the fault")


def _watch_the_rejoin(stage: Stage, clients: Clients, sight: Sight, group: str) -> None:
    def back() -> bool:
        picture = sight.group(group)
        if picture is not None:
            for run in (picture["run"], *picture["history"][:2]):
                if run is not None and run["kind"] in {"rejoin", "syncset"}:
                    stage.run(sight.run(run["id"]) or run)
        return _protected(sight, group)

    _await(stage, clients, back, REJOIN_DEADLINE_S, "all members in sync")
    stage.say("[green]all three centers hold every commit again[/green]")


def _switch_back(lab: Lab, stage: Stage, clients: Clients, sight: Sight, group: str) -> None:
    command = ["switchback", group, "--yes", "--reason", "the home center is back and in sync"]
    stage.say(f"an operator types: drctl {' '.join(command[:2])}")
    done = lab.drctl(*command, timeout_s=SWITCHBACK_DEADLINE_S)
    if done.returncode != 0:
        raise DemoFailed(
            f"drctl switchback ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
        )
    _await(stage, clients, lambda: _protected(sight, group), REJOIN_DEADLINE_S, "all members in sync")
    home = sight.group(group)
    run = next((run for run in home["history"] if run["kind"] == "switchback"), None) if home else None
    if run is not None:
        stage.run(sight.run(run["id"]) or run)
    stage.say(f"[green]{home['primary'] if home else group} is the primary again[/green]")


def _protected(sight: Sight, group: str) -> bool:
    picture = sight.group(group)
    return (
        picture is not None
        and picture["run"] is None
        and picture["protection"] == "protected"
        and len(picture["sync_members"]) == len(picture["members"]) - 1
        and all(member["state"] in {"running", "streaming"} for member in picture["members"])
    )


def _await(stage: Stage, clients: Clients, met: Callable[[], bool], deadline_s: float, what: str) -> None:
    until_s = time.monotonic() + deadline_s
    while not met():
        if time.monotonic() > until_s:
            raise DemoFailed(f"not within {deadline_s:.0f} s: {what}")
        _check(clients)
        stage.now(clients.pulse(), f"waiting until {what}")
        time.sleep(POLL_S)


def _let_run(stage: Stage, clients: Clients, for_s: float, what: str) -> None:
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        _check(clients)
        stage.now(clients.pulse(), what)
        time.sleep(POLL_S)


def _check(clients: Clients) -> None:
    broken = clients.broken()
    if broken:
        raise DemoFailed(f"a client of the laboratory ended: {broken}")


def _reckon(lab: Lab, stage: Stage, clients: Clients, group: str, moments: Moments) -> Tally:
    clients.stop()
    fault_ns, back_ns = moments.fault_ns, moments.back_ns
    history = read_history(clients.ledgers.values())
    members = {MemberName(member.name): member.dsn(dbname=DATABASE) for member in lab.group_members(group).values()}
    stage.say("the load has ended; every member is read and held against the clients' ledgers")
    try:
        dumps = read_members(members, deadline_s=QUIET_DEADLINE_S)
    except NotQuiet as error:
        raise DemoFailed(str(error)) from error
    verdicts = judge(history, dumps)
    outage = measure_outage(history, fault_ns, dumps, until_ns=back_ns)
    acked = sum(attempt.acked for attempt in history.attempts)
    stage.console.print(_figures(verdicts, len(dumps), acked))
    rate = acknowledged_rate(history)
    fault_s = (fault_ns - rate.start_ns) / 1e9
    first_s = outage.first_s if outage is not None else None
    marks = [Mark(at_s=fault_s, label="power lost"), Mark(at_s=(back_ns - rate.start_ns) / 1e9, label="in sync again")]
    marks.append(Mark(at_s=(moments.home_ns - rate.start_ns) / 1e9, label="goes home"))
    stage.console.print("Acknowledged operations a second, as the clients saw them:")
    stage.console.print(
        plot_rate(
            rate.counts,
            rate.bucket_s,
            marks=marks,
            outage_s=(fault_s, fault_s + first_s) if first_s is not None else None,
        )
    )
    if outage is None or first_s is None:
        raise DemoFailed("no write was acknowledged after the fault" if outage else "the clients noticed no fault")
    lost = [verdict for verdict in verdicts if verdict.oracle == "set-full"]
    if overall(verdicts) is not Result.PASS:
        bad = ", ".join(
            f"{verdict.oracle}: {verdict.summary}" for verdict in verdicts if verdict.result is not Result.PASS
        )
        raise DemoFailed(bad)
    gap_s = longest_gap_s(history, moments.home_ns, moments.homed_ns)
    if gap_s is None:
        raise DemoFailed("no write was acknowledged around the switchback")
    stage.console.print(
        f"The first write was acknowledged {first_s:.2f} s after the power was lost:"
        f" {first_s / 600:.2%} of the ten minutes that were promised."
        f" Going home kept writers waiting for {gap_s:.2f} s. Nothing that a client was told is missing anywhere."
    )
    return Tally(
        rto_s=first_s,
        switchback_gap_s=gap_s,
        lost=sum(len(verdict.findings) for verdict in lost),
        acked=acked,
        rejoined=1,
    )


def _figures(verdicts: tuple[Verdict, ...], members: int, acked: int) -> Table:
    return verdict_table(verdicts, title=f"{acked} acknowledged operations against {members} members")


def up(stage: Stage, *, name: str, pg_bindir: str | None) -> Lab:
    """Bring the demo's lab up, and say what it is doing. Raises LabError."""
    stage.chapter("Three centers on this machine")
    began_s = time.monotonic()
    lab = Lab.up(name, pg_bindir=pg_bindir, progress=stage.say)
    stage.say(
        f"up in {time.monotonic() - began_s:.1f} s: {', '.join(f'{c.name} {c.address}' for c in lab.centers.values())}"
    )
    return lab


__all__ = ["DemoFailed", "LabError", "Tally", "tell", "up"]
