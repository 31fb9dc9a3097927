"""The chain of what was decided and done: `audit list|show|verify|export`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import click

from drctl.audit.entry import DIGEST_LENGTH, Entry, Head
from drctl.audit.verify import verify as verify_pieces
from drctl.audit.verify import witnesses_of
from drctl.cli.chain_source import gather
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, format_option, pass_invocation
from drctl.cli.output import print_value
from drctl.model.errors import EffectRefused, InvalidInput
from drctl.telemetry.codec import Json

COLUMNS = ("sequence", "at", "center", "actor", "event", "group", "run", "reason", "facts", "digest")
WORDS_MAX = 120
"""Of an event's facts in a table."""

from_option = click.option(
    "--from",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file of the chain, or a directory with its files, instead of this center's and ZooKeeper.",
)


@click.group("audit")
@common_options
def audit() -> None:
    """What was decided and done, by whom and why, in a chain that shows every change."""


@audit.command("list")
@common_options
@format_option
@from_option
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--group", help="Of one group only.")
@click.option("--run", help="Of one operation only.")
@click.option("--event", help="Of one kind only, for example request_answered.")
@click.option("--actor", help="Of one person only, or policy.")
@click.option("--since", metavar="ISO8601", default="", help="Not before this time, in UTC.")
@pass_invocation
def list_command(
    invocation: Invocation,
    form: str,
    paths: tuple[Path, ...],
    limit: int,
    group: str | None,
    run: str | None,
    event: str | None,
    actor: str | None,
    since: str,
) -> None:
    """List events, the newest first."""
    source = gather(invocation, paths)
    found = [
        entry
        for entry in source.entries()
        if (group is None or entry.what.group == group)
        and (run is None or entry.what.run == run)
        and (event is None or entry.what.event == event)
        and (actor is None or entry.what.actor == actor)
        and entry.what.at_utc >= since
    ]
    newest = found[::-1][:limit]
    if form != "pretty":
        print_value([_json(entry) for entry in newest], form, COLUMNS, _rows(newest))
        return
    for note in source.notes:
        click.secho(note, fg="yellow", err=True)
    if not newest:
        click.echo("no such event")
        return
    from drctl.cli.render import table_of, when  # noqa: PLC0415 - slow, and not needed by the formats for machines

    table = table_of(
        ("No", True), ("At", False), ("Center", False), ("By", False), ("Event", False), ("Of", False), ("", False)
    )
    for entry in newest:
        what = entry.what
        table.add_row(
            str(entry.sequence),
            when(what.at_utc),
            what.center,
            what.actor,
            what.event,
            what.run or what.group or "",
            _summary(entry),
        )
    invocation.console.print(table)


@audit.command()
@common_options
@format_option
@from_option
@click.argument("sequence", type=click.IntRange(min=1))
@pass_invocation
def show(invocation: Invocation, form: str, paths: tuple[Path, ...], sequence: int) -> None:
    """Show one event, by its number, with all its facts."""
    entries = gather(invocation, paths).entries()
    entry = next((found for found in entries if found.sequence == sequence), None)
    if entry is None:
        held = f"{entries[0].sequence} to {entries[-1].sequence}" if entries else "none"
        raise InvalidInput(f"there is no event {sequence} here (there are {held})", remedy="drctl audit list")
    if form != "pretty":
        print_value(_json(entry), form, COLUMNS, _rows([entry]))
        return
    told = cast("dict[str, Json]", _json(entry))
    facts = cast("dict[str, Json]", told.pop("facts"))
    for key, value in {**told, **{f"  {key}": value for key, value in facts.items()}}.items():
        if value not in {None, ""} if not isinstance(value, list | dict) else value:
            click.echo(f"{key:<18} {_words(value)}")


@audit.command()
@common_options
@format_option
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="NUMBER:DIGEST",
    help="A head that a report names: the chain must hold that event, with that digest.",
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@pass_invocation
@click.pass_context
def verify(
    context: click.Context, invocation: Invocation, form: str, expected: tuple[str, ...], paths: tuple[Path, ...]
) -> None:
    """Compute every link again; name each event, and its bytes, that is not what was written.

    With PATHS, files or directories in the order of the chain, nothing else is needed: it works on another machine. Without,
    this center's files, ZooKeeper's pieces and the heads that every center remembers are held against one another.
    """
    heads = {f"--expect {word}": _head(word) for word in expected}
    source = gather(invocation, paths)
    verdict = source.verdict()
    if heads:
        seen = verify_pieces(source.whole(), witnesses=witnesses_of(heads))
        more = tuple(found for found in seen.breaks if found not in verdict.breaks)
        breaks, confirmed = (*verdict.breaks, *more), (*verdict.confirmed_by, *seen.confirmed_by)
    else:
        breaks, confirmed = verdict.breaks, verdict.confirmed_by
    if form != "pretty":
        told: Json = {
            "sound": not breaks,
            "events": verdict.events,
            "first": verdict.first.sequence + 1,
            "head": {"sequence": verdict.head.sequence, "digest": verdict.head.digest},
            "confirmed_by": list(confirmed),
            "not_looked_at": list(source.notes),
            "breaks": [
                {
                    "piece": found.piece,
                    "start_byte": found.start_byte,
                    "end_byte": found.end_byte,
                    "sequence": found.sequence,
                    "why": found.why,
                }
                for found in breaks
            ],
        }
        rows = [(found.piece, found.start_byte, found.end_byte, found.sequence, found.why) for found in breaks]
        print_value(told, form, ("piece", "start_byte", "end_byte", "sequence", "why"), rows)
    else:
        for note in source.notes:
            click.secho(note, fg="yellow", err=True)
        begins = "" if verdict.first.sequence == 0 else f", from event {verdict.first.sequence + 1} on"
        click.echo(f"{verdict.events} events{begins}; the head is event {verdict.head.sequence}, {verdict.head.digest}")
        for who in confirmed:
            click.echo(f"confirmed by {who}")
        for found in breaks:
            click.secho(str(found), fg="red", err=True)
        click.echo("every link holds" if not breaks else f"{len(breaks)} places are not what was written")
    context.exit(ExitCode.REFUSED if breaks else ExitCode.DONE)


@audit.command()
@common_options
@from_option
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(("chain", "json", "yaml", "tsv")),
    default="chain",
    show_default=True,
    help="`chain` is the file itself, which `drctl audit verify` reads.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A new file; else standard output."
)
@pass_invocation
def export(invocation: Invocation, paths: tuple[Path, ...], form: str, output: Path | None) -> None:
    """Write the whole chain, for an auditor."""
    source = gather(invocation, paths)
    for note in source.notes:
        click.secho(note, fg="yellow", err=True)
    if form != "chain":
        if output is not None:
            raise click.UsageError("--output goes with the format chain; redirect the others")
        entries = source.entries()
        print_value([_json(entry) for entry in entries], form, COLUMNS, _rows(entries))
        return
    data = b"".join(piece.data for piece in source.whole())
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        with output.open("xb") as stream:
            stream.write(data)
    except OSError as error:
        raise EffectRefused(
            f"{output} was not written: {error.strerror}", remedy="name a file that is not there"
        ) from error
    click.echo(f"{output}: {len(data)} bytes; to verify it anywhere: drctl audit verify {output}")


def _head(word: str) -> Head:
    number, _, digest = word.partition(":")
    if not number.isdigit() or len(digest) != DIGEST_LENGTH:
        raise InvalidInput(f"--expect {word} is no head", remedy="write it as a report does: NUMBER:DIGEST")
    return Head(sequence=int(number), digest=digest.lower())


def _json(entry: Entry) -> Json:
    told: Json = json.loads(entry.line)
    return told


def _rows(entries: Iterable[Entry]) -> list[Sequence[object]]:
    return [
        (
            entry.sequence,
            entry.what.at_utc,
            entry.what.center,
            entry.what.actor,
            entry.what.event,
            entry.what.group,
            entry.what.run,
            entry.what.reason,
            json.dumps(dict(entry.what.facts), ensure_ascii=False, sort_keys=True),
            entry.digest,
        )
        for entry in entries
    ]


def _summary(entry: Entry) -> str:
    """What an event says, in a line."""
    what = entry.what
    told = [f"{key}={_words(value)}" for key, value in what.facts.items() if value not in (None, "", [], False)]
    return " ".join([*([what.reason] if what.reason else []), *told])[:WORDS_MAX]


def _words(value: object) -> str:
    match value:
        case float():
            return f"{value:.3f}"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
