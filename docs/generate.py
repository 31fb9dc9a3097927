"""The reference pages that are made from the code: `python -m docs.generate` writes them, a test holds them equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from docs.markdown import page, table
from docs.playbook_page import playbooks
from docs.telemetry_pages import http, metrics
from drctl.cli.exit_codes import ExitCode, of_error, of_run
from drctl.cli.main import program
from drctl.config.policy_keys import FIELD_OF_KEY
from drctl.config.schema import json_schema
from drctl.model import errors
from drctl.model.policy import RELATIONS
from drctl.model.run import Outcome
from drctl.model.run_picture import picture_run
from drctl.model.units import DURATION_PATTERN, SIZE_PATTERN
from tests.unit.telemetry.example import NOW_UTC, run

REFERENCE = Path(__file__).parent / "reference"
NO_EFFECT = {"calendar", "freezes", "announce", "copy_rate", "keep_free"}
"""Keys of `drills` that are read and checked, and that nothing acts upon yet; see explanation/limits.md."""


_PATTERNS = {DURATION_PATTERN: "duration", SIZE_PATTERN: "size"}


def pages() -> Mapping[str, str]:
    """Every page that is made, by its file name."""
    makers: Mapping[str, Callable[[], str]] = {
        "cli.md": cli,
        "configuration.md": configuration,
        "exit-codes.md": exit_codes,
        "http.md": http,
        "metrics.md": metrics,
        "playbooks.md": playbooks,
    }
    return {name: make() for name, make in makers.items()}


def main() -> None:
    """Write them."""
    for name, made in pages().items():
        (REFERENCE / name).write_text(made, encoding="utf-8")


# Command line


def cli() -> str:
    """Every command, its arguments and options."""
    context = click.Context(program, info_name="drctl")
    common = [parameter for parameter in program.params if isinstance(parameter, click.Option)]
    parts = [
        "`drctl --help` and `drctl COMMAND --help` say the same. What a command's exit code means is a contract: see",
        "[exit codes](exit-codes.md).\n",
        "These options go before a command's name or after it:\n",
        _options(common, context),
    ]
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None, name
        parts += _command(command, f"drctl {name}", {option.name for option in common})
    return page("Command line", *parts)


def _command(command: click.Command, path: str, common: set[str | None], level: int = 2) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    yield f"{'#' * level} {path}\n"
    yield f"{_sentences(command.help or '')}\n"
    yield f"```text\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    own = [option for option in command.params if isinstance(option, click.Option) and option.name not in common]
    if own:
        yield _options(own, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, name
            yield from _command(below, f"{path} {name}", common, level + 1)


def _options(options: Sequence[click.Option], context: click.Context) -> str:
    records = [option.get_help_record(context) for option in options]
    return table(["Option", "Meaning"], [[f"`{record[0]}`", record[1]] for record in records if record is not None])


def _sentences(text: str) -> str:
    return re.sub(r"[ \t]*\n[ \t]*(?=\S)", " ", re.sub(r"\n[ \t]*\n", "\n\n", text.strip()))


# Configuration


def configuration() -> str:
    """Every key of cluster.yaml."""
    schema = json_schema()
    definitions = schema["$defs"]
    sections = (
        ("Top level", "", schema),
        ("zookeeper", "ZooKeeperEntry", None),
        ("centers.NAME", "CenterEntry", None),
        ("ssh", "SshEntry", None),
        ("database", "DatabaseEntry", None),
        ("replication", "ReplicationEntry", None),
        ("groups.NAME", "GroupEntry", None),
        ("groups.NAME.members.NAME", "MemberEntry", None),
        ("groups.NAME.pgbouncers.NAME", "PoolEntry", None),
        ("pgbouncer", "PgBouncerEntry", None),
        ("policy, and groups.NAME.policy", "PolicyEntry", None),
        ("audit", "AuditEntry", None),
        ("drills", "DrillsEntry", None),
        ("drills.calendar.NAME", "DrillEntry", None),
        ("drills.freezes.NAME", "FreezeEntry", None),
        ("notifications", "NotificationsEntry", None),
    )
    parts = [
        "One file, `cluster.yaml`, the same in every center. drctl reads `$DRCTL_CONFIG`, else `/etc/drctl/cluster.yaml`.",
        "[A complete example](cluster.yaml) shows every key with its default; [the JSON schema](cluster.schema.json) lets",
        "an editor complete and check it; `drctl config validate` tells every mistake at once, each with its place and with",
        "what to write instead.\n",
        "Durations are written `500ms`, `2s`, `10m`, `1h`; sizes `64KiB`, `16MiB`, `1GiB`. A key that drctl does not know",
        "is an error. A secret never stands in the file: `file:/path` or `env:NAME` says where it is.\n",
    ]
    for title, name, whole in sections:
        definition = whole or definitions[name]
        parts.append(f"## {title}\n")
        if definition.get("description"):
            parts.append(f"{definition['description']}\n")
        parts.append(_keys(definition))
    parts += [
        "## What must hold between the policy's keys\n",
        table(["It must hold that", "or"], [[relation.demand, relation.otherwise] for relation in RELATIONS]),
    ]
    return page("Configuration", *parts)


def _keys(definition: Mapping[str, Any]) -> str:
    needed = set(definition.get("required", ()))
    rows = []
    for key, found in definition["properties"].items():
        default = "required" if key in needed else f"`{found['default']}`" if "default" in found else ""
        words = " ".join(str(found.get("description", "")).split())
        for name_of_key, name_of_field in FIELD_OF_KEY.items():
            words = words.replace(f"`{name_of_field}`", f"`{name_of_key}`")
        note = " *No effect in this version.*" if key in NO_EFFECT else ""
        rows.append([f"`{key}`", _form(found), default, words + note])
    return table(["Key", "Form", "Default", "Meaning"], rows)


def _form(found: Mapping[str, Any]) -> str:
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    if "$ref" in found or found.get("type") == "object":
        return "mapping"
    if found.get("type") == "array":
        return "list of names"
    if found.get("pattern") in _PATTERNS:
        return _PATTERNS[found["pattern"]]
    if found.get("examples"):
        return f"such as `{found['examples'][0]}`"
    return {"integer": "whole number", "string": "text"}.get(str(found.get("type")), str(found.get("type", "")))


# Exit codes


def exit_codes() -> str:
    """What each code says, and when it is given."""
    words = {
        ExitCode.DONE: "done",
        ExitCode.REFUSED: "refused or failed: nothing changed",
        ExitCode.USAGE: "the command line or the configuration is wrong",
        ExitCode.UNREACHABLE: "not reachable",
        ExitCode.DEGRADED: "finished, with less protection than before",
        ExitCode.UNKNOWN: "unknown: it may have happened, so look",
    }
    known = (
        errors.InvalidInput,
        errors.EffectRefused,
        errors.StaleEpoch,
        errors.Unreachable,
        errors.EffectUnknown,
        errors.LeadershipLost,
    )
    ended = picture_run(run(), now_utc=NOW_UTC)
    outcomes = [
        [
            f"`{outcome}`",
            "yes" if passed else "no",
            str(int(of_run(replace(ended, outcome=outcome, irrevocable=passed)))),
        ]
        for outcome in Outcome
        for passed in (False, True)
    ]
    return page(
        "Exit codes",
        "A contract for scripts: a number keeps its meaning, and an operation that was refused never exits 0. A command",
        "that does several things exits with the greatest of their codes.\n",
        table(["Code", "Meaning"], [[str(int(code)), words[code]] for code in ExitCode]),
        "## Errors\n",
        "By what is known of the effect:\n",
        table(
            ["Error", "What is known", "Code"],
            [[f"`{kind.__name__}`", _first_line(kind), str(int(of_error(kind(""))))] for kind in known],
        ),
        "## Runs\n",
        "A command that begins a run follows it, and exits by how the run ended. Whether the point of no return (the",
        "promotion) had begun decides what a failure means.\n",
        table(["Outcome of the run", "Past the point of no return", "Code"], outcomes),
        "Ctrl-C while a run is followed detaches and exits 5: the run goes on, and the command says how to attach again.",
        "An error of drctl itself exits 5 too, and says in which file the details are.\n",
        "`drctl-host may-start MEMBER` has codes of its own, for init systems: 0 the member may start, 1 it must not, 2",
        "wrong usage or configuration.\n",
    )


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


if __name__ == "__main__":
    main()
