"""A scenario as its file tells it. Unknown keys are errors; durations are written as `2s`, `300ms`, `5m`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from chaos.lab.errors import LabError

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no duration: write 2s, 300ms or 5m")  # noqa: TRY004 - pydantic tells ValueErrors
    found = DURATION.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is no duration: write 2s, 300ms or 5m")
    return float(found[1]) * UNITS_S[found[2]]


Seconds = Annotated[float, BeforeValidator(_seconds)]


class Part(BaseModel):
    """What all parts share: nothing unknown, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Topology(Part):
    """The lab that it is played on."""

    groups: int = 1
    policy: dict[str, str | int] = Field(default_factory=dict)


class Load(Part):
    """What the clients do meanwhile."""

    rate: float = 90.0
    """Operations a second, of all clients together."""
    warm_up: Seconds = 3.0
    seconds: Seconds = 8.0
    """How long the load goes on after the last step, before what was broken is mended."""


class Place(Part):
    """Where things must be before the first step."""

    zookeeper_leader: Literal["with-primary", "apart", "anywhere"] = "anywhere"


class When(Part):
    """The phase that a step waits for. One key alone."""

    before: str | None = None
    """An effect of drctl's, as crash points name them (`failover/promote`): it is held until the step is done."""
    lasts: Seconds = 0.0
    """How long the effect is held before the step; what follows on steps that only wait is done while it is held."""
    run: str | None = None
    """A run of this kind has ended since the step before."""
    service: bool | None = None
    """Writes are acknowledged again."""
    protected: bool | None = None
    """The group is at full protection."""
    leaderless: bool | None = None
    """No ZooKeeper server serves any more."""
    within: Seconds = 30.0


class Step(Part):
    """One thing that is done."""

    do: str
    target: str = ""
    """A role, a member, a center, or a process of a center (`primary-center/zookeeper`)."""
    at: Seconds | None = None
    """After the first step's time; None: as soon as the step before is done."""
    when: When | None = None
    prepare: bool = False
    """Whether it only sets the scene: outages count from the first step that does not."""
    to: str = ""
    port: int | None = None
    direction: Literal["both", "in", "out"] = "both"
    percent: int = 0
    times: int = 1
    every: Seconds = 1.0
    sql: list[str] = Field(default_factory=list)
    undo: list[str] = Field(default_factory=list)
    command: list[str] = Field(default_factory=list)
    exits: list[int] = Field(default_factory=lambda: [0])
    background: bool = False
    """Whether nobody waits for a command before the steps that follow; it is waited for when all is mended."""
    point: str = ""


class Expect(Part):
    """What must hold beside the invariants, which always must."""

    failover: bool | None = None
    """Whether the primary must move by a failover; None: either way."""
    runs: dict[str, str] = Field(default_factory=dict)
    """For kinds of run, the outcome that at least one must have had: `switchover: rolled_back`."""
    failovers_max: int | None = None
    outage_max: Seconds | None = None
    """From the first step to the first durable acknowledgement of a new write."""
    gap_max: Seconds | None = None
    """The longest time between two acknowledgements."""
    unserved: bool = False
    """Nobody but the old primary may acknowledge anything before what is missing is back."""
    refused: bool = False
    """drctl must refuse to promote and ask for the missing member, until it returns."""
    protected_within: Seconds = 30.0
    """After what was broken has been mended, by itself."""
    alarm: str | None = None
    unsafe_min: int = 0
    """Commits that a client saw succeed with the warning that nobody else has them: the fault must bring some about."""
    setting_restored_within: Seconds | None = None
    zombie_refused: bool = False
    """What a sleeper went on to do after its successor had acted must have been refused, whatever it was."""
    tolerate: list[str] = Field(default_factory=list)
    """Oracles whose findings PostgreSQL itself brings about here, and the `why` explains; told, and no failure."""


class Scenario(Part):
    """One story."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    why: str
    tags: list[str] = Field(default_factory=lambda: ["p0"])
    topology: Topology = Topology()
    load: Load = Load()
    place: Place = Place()
    rounds: int = 1
    """How often steps and mending follow each other, under one load."""
    faults: list[Step]
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if all(step.prepare for step in self.faults):
            raise ValueError("every step only prepares: nothing goes wrong here")
        if self.expect.refused and self.expect.failover:
            raise ValueError("a failover that must be refused cannot be expected")
        return self


def load_scenarios(folder: Path = FOLDER) -> dict[str, Scenario]:
    """Every scenario of a folder by its name. Raises LabError that names file and key."""
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            documents = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]
            scenarios = [Scenario.model_validate(document) for document in documents]
        except (yaml.YAMLError, ValidationError) as error:
            raise LabError(f"{path}: {error}") from error
        for scenario in scenarios:
            if scenario.name in found:
                raise LabError(f"{path}: there is a scenario {scenario.name} already")
            found[scenario.name] = scenario
    return found
