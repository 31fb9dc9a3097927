"""The reference page of playbooks: keys, actions, conditions, what is refused, and those that come with drctl."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docs.markdown import page, table
from drctl.config.playbook_reader import APPROVERS_MAX, RETRIES_MAX, STEPS_MAX
from drctl.config.playbook_schema import playbook_schema
from drctl.config.playbooks import BYTES_MAX, load_playbooks
from drctl.model.playbook import OnFailure, Playbook, Step
from drctl.model.units import format_duration, format_size
from drctl.playbook.catalogue import CATALOGUE, Contract
from drctl.playbook.conditions import CONDITIONS
from drctl.playbook.order import worst_s
from drctl.playbook.param import SUBJECTS, Param
from drctl.playbook.waits import WAITS

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
ON_FAILURE = {
    OnFailure.ABORT: "the run ends as failed; what is recorded stays for the next operation",
    OnFailure.ROLLBACK: "the steps under `rollback` put the old primary back; only before the point of no return",
    OnFailure.CONTINUE: "the run goes on, and ends as degraded",
    OnFailure.ASK: "a person decides: `drctl run continue RUN` or `drctl run abort RUN`; without an answer within "
    "`answer_within` the run ends, and goes back where it can",
}


def playbooks() -> str:
    """The form of the files, the actions, and the playbooks that come with drctl."""
    step = playbook_schema()["$defs"]["step"]["properties"]
    protocol = [contract for contract in CATALOGUE.values() if not contract.own]
    own = [contract for contract in CATALOGUE.values() if contract.own]
    parts = [
        "A playbook is the list of steps of one kind of operation, and what really runs. Those below",
        "come with drctl; a file of",
        "the same `kind` in the hospital's own folder (`playbooks` of [cluster.yaml](configuration.md))",
        "replaces it. A controller",
        "reads them when it starts; a run carries its playbook with it, so that another controller",
        "takes over the same steps.",
        "[How to add steps of your own](../how-to/own-steps.md) begins with a copy. [The JSON",
        "schema](playbook.schema.json) lets",
        "an editor complete and check it, and `drctl playbook validate` tells every mistake at once,",
        "with file and line.\n",
        "## Keys\n",
        table(["Key", "Form", "Meaning"], list(_top_keys())),
        "### Of a step\n",
        table(["Key", "Form", "Meaning"], list(_step_keys(step))),
        "A step begins when the step before it has ended, or those that `needs` names. Where the list",
        "has an item `parallel:` with",
        "steps below it, these begin together, and the next step waits for all of them. The worst time of a step is",
        "`timeout x (retries + 1) + delay x retries`, and the time that people have; the longest path",
        "through the steps, with the",
        "way back, must fit the budget. A run that exceeds its budget all the same is alarmed and goes on.\n",
        "`on_failure` says what follows when the last try of a step has failed:\n",
        table(["`on_failure`", "What follows"], [[f"`{way}`", ON_FAILURE[way]] for way in OnFailure]),
        "`approval: {min: 2, roles: [dba], timeout: 30m}` lets a step begin only when so many people",
        "agreed: `drctl run approve RUN`,",
        "or `drctl run reject RUN`. The person who asked for the run does not count. `roles` is kept",
        "and shown; for now any operator",
        "counts. An approval that does not come in time is a no.\n",
        "## Actions of the protocol\n",
        _actions(protocol),
        "A step that ended well is not done again when another controller takes the run over, unless",
        "what it proved holds only under",
        "the epoch that it was proved in: see [the",
        "protocol](../explanation/protocol.md#when-a-controller-dies-in-the-middle).\n",
        "## Actions that a hospital adds\n",
        "They can be done twice: when a try is repeated, and when another controller takes the run over",
        "in their middle. A command is",
        "told the run and the step (`DRCTL_RUN`, `DRCTL_STEP`), a web server gets them as its `Idempotency-Key`.\n",
        *(_own(contract) for contract in own),
        "### Whom a step is about\n",
        table(
            ["`on`", "Who"],
            [[f"`{word}`", words] for word, words in SUBJECTS.items()] + [["a member's name", "that member"]],
        ),
        "### What can be waited for\n",
        table(["`condition`", "True when"], [[f"`{name}`", wait.words] for name, wait in WAITS.items()]),
        "## Conditions\n",
        "`when` lets a step be left out; it is asked once, when the step's turn comes. `not` before a",
        "condition means the opposite.",
        "There is no language behind it.\n",
        table(["`when`", "True when"], [[f"`{name}`", condition.words] for name, condition in CONDITIONS.items()]),
        "## What is refused\n",
        "- A key, an action, a parameter, a condition that drctl does not know: the nearest one that it",
        "  knows is named.",
        "- A promotion that seal, choice and record do not certainly precede; a commit that no marker",
        "  certainly precedes. Certainly: the",
        "  step is needed, waited for, has no `when`, and its failure ends the run.",
        "- A playbook without a step that its kind of operation does not come to its end without.",
        "- `on_failure: rollback` past the point of no return, or beside it, or without a `rollback`.",
        "- In the middle, from the first stop or seal to the commit: an approval or `on_failure: ask`,",
        "  because service is away or two",
        "  rules stand while people think; before the promotion an abort that would leave the old",
        "  primary stopped; after it, a step",
        "  of the hospital's own whose failure would stop the protocol.",
        "- `when` at a step of the protocol that others build on.",
        "- A worst path that is longer than the budget.",
        f"- More than {STEPS_MAX} steps a way, {RETRIES_MAX} retries, {APPROVERS_MAX} approvals,",
        f"  {format_size(BYTES_MAX)}: every run keeps a copy.\n",
    ]
    for playbook in load_playbooks(PLAYBOOKS).values():
        parts += _playbook(playbook)
    return page("Playbooks", *parts)


def _top_keys() -> Iterator[list[str]]:
    yield ["`name`", "text", "what people call it; required"]
    yield ["`kind`", ", ".join(f"`{kind}`" for kind in playbook_schema()["properties"]["kind"]["enum"]), "required"]
    yield ["`version`", "whole number", "of the hospital's own counting"]
    yield ["`targets`", "`{rto: 10m, rpo: 0}`", "what was promised; runs are shown against it"]
    yield ["`budget`", "duration", "at least the worst path; required"]
    yield ["`steps`", "list", "required"]
    yield ["`rollback`", "list", "what puts the old primary back"]


def _step_keys(step: dict[str, Any]) -> Iterator[list[str]]:
    forms = {
        "id": "text; required",
        "uses": "an action; required",
        "with": "mapping",
        "needs": "list of ids",
        "when": "a condition",
        "timeout": "duration; required",
        "on_failure": ", ".join(f"`{way}`" for way in OnFailure),
        "approval": "`{min, roles, timeout}`",
    }
    kinds = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}
    for key, found in step.items():
        form = forms.get(key) or (
            "duration" if found.get("pattern", "").endswith("(ms|s|m|h)$") else kinds[found["type"]]
        )
        default = found.get("default")
        if default is not None:
            form += f"; without it `{str(default).lower() if isinstance(default, bool) else default}`"
        yield [f"`{key}`", form, str(found.get("description", "")).rstrip(".")]


def _actions(contracts: Sequence[Contract]) -> str:
    return table(
        ["`uses`", "What it does", "Changes the world", "Safe only after", "`with`"],
        [
            [
                f"`{contract.name}`",
                contract.words,
                "yes" if contract.changes else "no",
                ", ".join(f"`{name}`" for name in contract.after),
                ", ".join(f"`{param.name}: {' or '.join(param.choices)}` ({param.words})" for param in contract.params),
            ]
            for contract in contracts
        ],
    )


def _own(contract: Contract) -> str:
    limit = f" `timeout` at most {format_duration(contract.limit_s)}." if contract.limit_s else ""
    rows = [[f"`{param.name}`", _form(param), param.words] for param in contract.params]
    return f"### {contract.name}\n\n{contract.words}.{limit}\n\n{table(['`with`', 'Form', 'Meaning'], rows)}"


def _form(param: Param) -> str:
    form = ", ".join(f"`{choice}`" for choice in param.choices) or param.kind.value
    return form + ("; required" if param.required else f"; without it `{param.default}`" if param.default else "")


def _playbook(playbook: Playbook) -> Iterator[str]:
    promise = f"recovery within {format_duration(playbook.rto_s)}, nothing lost"
    worst = worst_s(playbook.steps) + worst_s(playbook.rollback)
    yield f"## {playbook.name}\n"
    yield f"Promise: {promise}. Budget {format_duration(playbook.budget_s)}; the worst path takes {worst:g} s.\n"
    yield _steps(playbook.steps)
    if playbook.rollback:
        yield "Rollback, when a step fails whose `on_failure` says so:\n"
        yield _steps(playbook.rollback)


def _steps(steps: Sequence[Step]) -> str:
    return table(
        ["Step", "Action", "What it does", "Timeout", "Retries", "On failure"],
        [
            [
                f"`{step.id}`" + (" (no return)" if step.point_of_no_return else ""),
                f"`{step.uses}`",
                step.name or CATALOGUE[step.uses].words,
                format_duration(step.timeout_s) + ("" if step.waited_for else ", not waited for"),
                str(step.retries),
                step.on_failure.value,
            ]
            for step in steps
        ],
    )
