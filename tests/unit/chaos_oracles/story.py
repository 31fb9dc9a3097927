"""A story to tell to the oracles: what clients did, in a few words a line."""

from __future__ import annotations

from chaos.oracles.member import MemberDump, TableDigest, TimelineSwitch
from chaos.workload.operation import Append, AppendStep, Kind, OpId, RegisterCas, RegisterRead, RegisterWrite
from chaos.workload.record import (
    Attempt,
    Header,
    History,
    Intent,
    Outcome,
    OutcomeClass,
    SeenLists,
    SeenOperations,
    SeenValue,
    Served,
)
from drctl.model.identity import MemberName
from drctl.model.position import Lsn, Timeline

RUN = "zhaohui.1"
CALL_KINDS = {RegisterRead: Kind.REGISTER_READ, RegisterWrite: Kind.REGISTER_WRITE, RegisterCas: Kind.REGISTER_CAS}


class Story:
    """Attempts one after the other, each one millisecond long unless it says otherwise."""

    def __init__(self):
        self.attempts = []
        self.now_ms = 0

    def tell(
        self,
        kind,
        outcome=OutcomeClass.ACKED,
        *,
        call=None,
        seen=None,
        wrote=None,
        member="lis-zhaohui",
        timeline=1,
        lsn=100,
        in_recovery=False,
        pinned=None,
        start_ms=None,
        end_ms=None,
        told=True,
    ):
        op = OpId(f"{RUN}.{len(self.attempts) + 1}")
        start_ms = self.now_ms if start_ms is None else start_ms
        end_ms = start_ms + 1 if end_ms is None else end_ms
        self.now_ms = max(self.now_ms, end_ms + 1)
        reads = kind in (Kind.PATIENT_RESULTS, Kind.DEPARTMENT_DAY, Kind.REGISTER_READ)
        if wrote is None:
            wrote = not reads and outcome in (OutcomeClass.ACKED, OutcomeClass.ACKED_UNSAFE)
        intent = Intent(op=op, kind=kind, at_ns=start_ms * 10**6, wall_s=start_ms / 1000, about="", call=call)
        result = Outcome(
            op=op,
            outcome=outcome,
            sent_ns=start_ms * 10**6,
            done_ns=end_ms * 10**6,
            wall_s=end_ms / 1000,
            wrote=wrote,
            served=Served(
                member=MemberName(member),
                address="10.77.0.11:5432",
                in_recovery=in_recovery,
                timeline=None if timeline is None else Timeline(timeline),
                lsn=None if lsn is None else Lsn(lsn),
            ),
            seen=seen,
            sqlstate="40001" if outcome is OutcomeClass.FAILED else None,
            text="",
        )
        self.attempts.append(Attempt(client="zhaohui", pinned=pinned, intent=intent, told=result if told else None))
        return op

    def insert(self, outcome=OutcomeClass.ACKED, **how):
        return self.tell(Kind.SET_INSERT, outcome, **how)

    def look(self, *ops, **how):
        return self.tell(Kind.PATIENT_RESULTS, seen=SeenOperations(ops=ops), **how)

    def read(self, key, value, **how):
        return self.tell(Kind.REGISTER_READ, call=RegisterRead(key=key), seen=SeenValue(value=value), **how)

    def write(self, key, value, outcome=OutcomeClass.ACKED, **how):
        return self.tell(Kind.REGISTER_WRITE, outcome, call=RegisterWrite(key=key, value=value), **how)

    def cas(self, key, expected, value, outcome=OutcomeClass.ACKED, **how):
        call = RegisterCas(key=key, expected=expected, value=value)
        return self.tell(Kind.REGISTER_CAS, outcome, call=call, **how)

    def append(self, *steps, outcome=OutcomeClass.ACKED, **how):
        """Steps: `("x", 1)` appends 1 to list x, `("x", [1])` reads it and finds [1]."""
        keys = {"x": 1, "y": 2}
        call = Append(steps=tuple(AppendStep(key=keys[k], value=v if isinstance(v, int) else None) for k, v in steps))
        lists = tuple(None if isinstance(value, int) else tuple(value) for _, value in steps)
        wrote = outcome is OutcomeClass.ACKED and any(isinstance(value, int) for _, value in steps)
        return self.tell(Kind.APPEND, outcome, call=call, seen=SeenLists(lists=lists), wrote=wrote, **how)

    @property
    def history(self):
        header = Header(client="zhaohui", run=RUN, pinned=None, seed=1, rate_per_s=1, wall_s=0, mono_ns=0)
        return History(headers=(header,), attempts=tuple(self.attempts))

    def dump(self, member="lis-zhaohui", *, without=(), twice=(), **what):
        """A member that holds every acknowledged write, but for what the test says."""
        held = {attempt.op: 1 for attempt in self.attempts if attempt.acked_write}
        held |= {OpId(op): 2 for op in twice}
        for op in without:
            del held[op]
        return dump(member, held | what.pop("also", {}), **what)


def dump(
    member="lis-zhaohui",
    operations=None,
    *,
    standby=False,
    timeline=1,
    forks=(),
    lists=None,
    registers=None,
    tables=None,
):
    return MemberDump(
        member=MemberName(member),
        in_recovery=standby,
        timeline=None if timeline is None else Timeline(timeline),
        ancestors=None
        if forks is None
        else tuple(TimelineSwitch(timeline=Timeline(tli), until=Lsn(lsn)) for tli, lsn in forks),
        operations=operations or {},
        registers=registers or {},
        lists=lists or {},
        tables={name: TableDigest(rows=rows, digest=digest) for name, (rows, digest) in (tables or {}).items()},
    )
