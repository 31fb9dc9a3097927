"""Lists that transactions append to and read: from what was read follows who came before whom (after Elle).

A list shows the order of all appends to it, so the versions of a key need not be guessed: the longest list that was
read is the order, and every other must be its beginning. Source: K. Kingsbury and P. Alvaro, "Elle", 2020.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from chaos.oracles.cycles import Dependency, Graph
from chaos.oracles.verdict import Finding, conclude
from chaos.workload.operation import Append, AppendStep
from chaos.workload.record import OutcomeClass, SeenLists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.record import Attempt, History

ORACLE = "list-append"
_FINAL = "final read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction, as its client saw it."""

    name: str
    outcome: OutcomeClass
    steps: tuple[AppendStep, ...]
    lists: tuple[tuple[int, ...] | None, ...]
    """What each step read; None for a step that appended, and for all of them when no answer came."""

    def appends(self) -> Iterator[tuple[int, int]]:
        """Key and element of each append, in order."""
        for step in self.steps:
            if step.value is not None:
                yield step.key, step.value

    def reads(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Place, key and list of each read that was answered with success."""
        for place, (step, seen) in enumerate(zip(self.steps, self.lists, strict=True)):
            if seen is not None:
                yield place, step.key, seen


def check_list_append(history: History, final: MemberDump | None = None) -> Verdict:
    """Look for lost, torn, aborted and contradictory reads, and for cycles that serializability forbids.

    `final` is what the primary held after healing: one more transaction, which read every list.
    """
    transactions = [*_transactions(history.attempts)]
    return _judge(transactions, None if final is None else dict(final.lists))


def _judge(transactions: list[Transaction], final: dict[int, tuple[int, ...]] | None) -> Verdict:
    acked = [transaction for transaction in transactions if transaction.outcome is OutcomeClass.ACKED]
    readers = acked if final is None else [*acked, _final_transaction(transactions, final)]
    writer_of = {value: transaction for transaction in transactions for _, value in transaction.appends()}
    findings: list[Finding] = []
    orders = _orders(readers, findings)
    places = {key: {value: place for place, value in enumerate(order)} for key, order in orders.items()}
    for reader in readers:
        findings += _bad_reads(reader, writer_of)
        findings += _lost_updates(reader, orders, places)
    if final is not None:
        findings += _lost_appends(acked, final)
    for phenomenon, words in _graph(readers, writer_of, orders).cycles():
        findings.append(Finding(kind=phenomenon.value, subject=words[0].split()[0], text="; ".join(words)))
    appends = sum(1 for transaction in acked for _ in transaction.appends())
    reads = sum(1 for transaction in acked for _ in transaction.reads())
    counts = {"transactions": len(acked), "appends": appends, "reads": reads, "keys": len(orders)}
    summary = f"{len(acked)} transactions with {appends} appends and {reads} reads of {len(orders)} lists"
    doubt = None if appends and reads else "too little was appended or read"
    return conclude(ORACLE, summary, counts, findings, doubt=doubt)


def _transactions(attempts: Iterable[Attempt]) -> Iterator[Transaction]:
    for attempt in attempts:
        operation = attempt.intent.call
        if not isinstance(operation, Append) or attempt.pinned is not None:
            continue
        seen = None if attempt.told is None or not attempt.acked else attempt.told.seen
        lists = seen.lists if isinstance(seen, SeenLists) else (None,) * len(operation.steps)
        yield Transaction(name=attempt.op, outcome=attempt.outcome, steps=operation.steps, lists=lists)


def _final_transaction(transactions: list[Transaction], final: dict[int, tuple[int, ...]]) -> Transaction:
    keys = sorted({step.key for transaction in transactions for step in transaction.steps})
    return Transaction(
        name=_FINAL,
        outcome=OutcomeClass.ACKED,
        steps=tuple(AppendStep(key=key, value=None) for key in keys),
        lists=tuple(final.get(key, ()) for key in keys),
    )


def _orders(readers: list[Transaction], findings: list[Finding]) -> dict[int, tuple[int, ...]]:
    """For each key the longest list that anyone read; a list that is not its beginning is a finding."""
    longest: dict[int, tuple[int, ...]] = {}
    for reader in readers:
        for _, key, seen in reader.reads():
            if len(seen) > len(longest.get(key, ())):
                longest[key] = seen
            longest.setdefault(key, seen)
    for reader in readers:
        for _, key, seen in reader.reads():
            if seen != longest[key][: len(seen)]:
                text = f"read {_tail(seen)} of list {key}, which is no beginning of {_tail(longest[key])}"
                findings.append(Finding(kind="incompatible-order", subject=reader.name, text=text))
    for key, order in longest.items():
        if len(set(order)) < len(order):
            twice = sorted({value for value in order if order.count(value) > 1})
            text = f"appended more than once: {_tail(tuple(twice))}"
            findings.append(Finding(kind="duplicate", subject=f"list {key}", text=text))
    return longest


def _bad_reads(reader: Transaction, writer_of: dict[int, Transaction]) -> Iterator[Finding]:
    mine: dict[int, list[int]] = defaultdict(list)
    base: dict[int, tuple[int, ...]] = {}
    reads = {place: seen for place, _, seen in reader.reads()}
    for place, step in enumerate(reader.steps):
        if step.value is not None:
            mine[step.key].append(step.value)
            continue
        seen = reads.get(place)
        if seen is None:
            continue
        yield from _foreign_reads(reader, step.key, seen, writer_of)
        # A transaction sees its own appends, at the end, and between two reads nothing else.
        own = tuple(mine[step.key])
        others = seen[: len(seen) - len(own)] if own else seen
        if seen[len(others) :] != own or base.setdefault(step.key, others) != others:
            text = f"read {_tail(seen)} of list {step.key} after its own appends {_tail(own)}"
            yield Finding(kind="internal", subject=reader.name, text=text)


def _foreign_reads(
    reader: Transaction, key: int, seen: tuple[int, ...], writer_of: dict[int, Transaction]
) -> Iterator[Finding]:
    for value in seen:
        writer = writer_of.get(value)
        if writer is None:
            text = f"list {key} holds {value}, which nobody appended"
            yield Finding(kind="garbage-read", subject=reader.name, text=text)
        elif writer.outcome is OutcomeClass.FAILED:
            text = f"list {key} holds {value} of {writer.name}, which failed"
            yield Finding(kind="aborted-read", subject=reader.name, text=text)
    if not seen:
        return
    writer = writer_of.get(seen[-1])
    if writer is None or writer is reader:
        return
    appended = [value for its_key, value in writer.appends() if its_key == key]
    if appended and seen[-1] != appended[-1]:
        text = f"list {key} ends with {seen[-1]}, before {writer.name} had appended {appended[-1]} as well"
        yield Finding(kind="intermediate-read", subject=reader.name, text=text)


def _lost_updates(
    reader: Transaction, orders: dict[int, tuple[int, ...]], places: dict[int, dict[int, int]]
) -> Iterator[Finding]:
    """A transaction that read a list and then appended to it: nobody else's element may lie between."""
    last_seen: dict[int, tuple[int, ...]] = {}
    reads = {place: seen for place, _, seen in reader.reads()}
    for place, step in enumerate(reader.steps):
        if step.value is None:
            if place in reads:
                last_seen[step.key] = reads[place]
            continue
        seen = last_seen.get(step.key)
        place_in_order = places.get(step.key, {}).get(step.value)
        if seen is not None and place_in_order is not None:
            between = orders[step.key][len(seen) : place_in_order]
            if between:
                text = f"appended {step.value} to list {step.key} as it had read it, but {_tail(between)} came between"
                yield Finding(kind="lost-update", subject=reader.name, text=text)
            last_seen[step.key] = (*seen, step.value)


def _lost_appends(acked: list[Transaction], final: dict[int, tuple[int, ...]]) -> Iterator[Finding]:
    held = {key: frozenset(values) for key, values in final.items()}
    for transaction in acked:
        for key, value in transaction.appends():
            if value not in held.get(key, frozenset()):
                text = f"its append of {value} to list {key} was acknowledged and is gone"
                yield Finding(kind="lost-append", subject=transaction.name, text=text)


def _graph(readers: list[Transaction], writer_of: dict[int, Transaction], orders: dict[int, tuple[int, ...]]) -> Graph:
    graph = Graph()
    for order in orders.values():
        for earlier, later in pairwise(order):
            if earlier in writer_of and later in writer_of:
                graph.add(writer_of[earlier].name, writer_of[later].name, Dependency.WW)
    for reader in readers:
        for _, key, seen in reader.reads():
            if seen and seen[-1] in writer_of:
                graph.add(writer_of[seen[-1]].name, reader.name, Dependency.WR)
            order = orders[key]
            if len(seen) < len(order) and order[len(seen)] in writer_of:
                graph.add(reader.name, writer_of[order[len(seen)]].name, Dependency.RW)
    return graph


def _tail(values: tuple[int, ...]) -> str:
    """The last few elements: lists are long."""
    shown = ", ".join(map(str, values[-5:]))
    return f"[... {shown}]" if len(values) > 5 else f"[{shown}]"
