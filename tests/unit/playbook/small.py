"""Small playbooks and runs of them, driven by hand: every step does what the test says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drctl.config.playbooks import load_playbooks
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId
from drctl.model.playbook import OnFailure, Playbook, RunKind, Step
from drctl.model.run import Outcome, Run, StepRecord, StepStatus, TaskStatus
from drctl.playbook.adoption import adopted
from drctl.playbook.progress import (
    AskOperator,
    Await,
    Dispatch,
    Expire,
    Finished,
    Move,
    dispatched,
    next_move,
    settled,
    task_ended,
)
from tests.house.source import ROOT

SHIPPED = load_playbooks(ROOT / "playbooks")
A, B = MemberName("lis-zhaohui"), MemberName("lis-yuecheng")
UTC = "2026-11-24T03:00:00.000+00:00"


def step(step_id: str, uses: str = "checkpoint", **changes: object) -> Step:
    return replace(Step(id=step_id, uses=uses, timeout_s=10.0), **changes)  # type: ignore[arg-type]


def playbook(*steps: Step, rollback: tuple[Step, ...] = (), budget_s: float = 1000.0) -> Playbook:
    return Playbook(
        name="small",
        kind=RunKind.SWITCHOVER,
        version=1,
        digest="0" * 64,
        rto_s=600.0,
        rpo_bytes=0,
        budget_s=budget_s,
        steps=steps,
        rollback=rollback,
    )


def run_of(book: Playbook) -> Run:
    return Run(
        id=RunId("lis-7"),
        group=GroupName("lis"),
        kind=book.kind,
        epoch=Epoch(7),
        owner="zhaohui#1",
        center=CenterName("zhaohui"),
        playbook=book,
        reason="",
        requested_by="policy",
        old_primary=A,
        candidate=B,
        started_utc=UTC,
        started_s=0.0,
        steps=tuple(StepRecord(id=each.id) for each in book.steps),
    )


@dataclass
class Hand:
    """Drives a run as the driver does, with a clock that the test moves."""

    run: Run
    now_s: float = 0.0
    begun: list[str] = field(default_factory=list)
    """Every try that began, in order."""

    @classmethod
    def of(cls, *steps: Step, rollback: tuple[Step, ...] = ()) -> Hand:
        return cls(run_of(playbook(*steps, rollback=rollback)))

    def move(self) -> Move:
        return next_move(self.run, self.now_s)

    def begin(self) -> list[str]:
        """Begin all that may begin now; their ids."""
        before = len(self.begun)
        while isinstance(move := self.move(), Dispatch | Expire):
            if isinstance(move, Expire):
                self.fail(move.step.id, "too slow")
                continue
            self.run = dispatched(self.run, move.step, [A], now_s=self.now_s, now_utc=UTC)
            self.begun.append(move.step.id)
        return self.begun[before:]

    def done(self, step_id: str) -> list[str]:
        """`step_id` ends well; what begins then."""
        self.run = task_ended(
            self.run,
            step_id,
            A,
            self.run.step(step_id).attempt,
            status=TaskStatus.DONE,
            evidence=None,
            error="",
            now_s=self.now_s,
        )
        self._settle(step_id, StepStatus.DONE, "")
        return self.begin()

    def failed(self, step_id: str) -> list[str]:
        """`step_id` fails; what begins then."""
        self.fail(step_id, "broken")
        return self.begin()

    def fail(self, step_id: str, note: str) -> None:
        self._settle(step_id, StepStatus.FAILED, note)

    def _settle(self, step_id: str, status: StepStatus, note: str) -> None:
        self.run = settled(self.run, self.run.playbook.step(step_id), status, note, now_s=self.now_s, now_utc=UTC)

    def after(self, seconds: float) -> list[str]:
        """Let time pass; what begins then."""
        self.now_s += seconds
        return self.begin()

    def adopt(self) -> None:
        """Another controller takes the run over; its clock began at another time."""
        self.now_s = 5000.0
        self.run = adopted(self.run, epoch=Epoch(self.run.epoch + 1), owner="fuyang#2", now_s=self.now_s, now_utc=UTC)

    def status(self, step_id: str) -> StepStatus:
        return self.run.step(step_id).status

    @property
    def outcome(self) -> Outcome:
        move = self.move()
        assert isinstance(move, Finished), move
        return move.outcome

    @property
    def asks(self) -> str:
        move = self.move()
        assert isinstance(move, AskOperator), move
        return move.step.id

    @property
    def until_s(self) -> float:
        move = self.move()
        assert isinstance(move, Await), move
        return move.until_s


CONTINUE, ROLLBACK, ABORT, ASK = OnFailure.CONTINUE, OnFailure.ROLLBACK, OnFailure.ABORT, OnFailure.ASK
