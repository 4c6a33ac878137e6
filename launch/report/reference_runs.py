"""The curves of recipes that a run is held against."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from launch.atomic_io import write_atomic
from launch.errors import ConfigError
from launch.report.curves import Curve, ratio
from launch.report.formatting import count
from launch.report.run_data import RunFacts
from launch.report.start_history import recipe_of
from launch.report.tolerant_read import Tell, number_of, read_json

REFERENCES = Path(__file__).parent / "references"
MOST_POINTS = 200  # of a reference

Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ReferenceTarget:
    """What was predicted: a recipe's `target` without what is only logged."""

    kind: str
    variance_floor: Number

    def __str__(self) -> str:
        floor = f", variance floor {self.variance_floor:g}" if self.variance_floor else ""
        return f"{self.kind.replace('_', ' ')}{floor}"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Reference:
    """A pretraining that went well, on known recordings."""

    recipe: str
    data: str  # what it was trained on, in words
    command: str
    versions: dict[str, str]
    clips: Annotated[int, Field(gt=0)]  # of a step
    target: ReferenceTarget
    steps: tuple[Annotated[int, Field(ge=0)], ...]
    loss: tuple[Number, ...]
    trivial: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]

    @model_validator(mode="after")
    def _fits(self) -> "Reference":
        if not len(self.steps) == len(self.loss) == len(self.trivial) > 0:
            raise ValueError("steps, loss and trivial are not equally long, or empty")
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError("steps do not ascend")
        return self

    @property
    def ratio(self) -> Curve:
        """Loss over the trivial predictor's."""
        return Curve(np.array(self.steps), np.array(self.loss) / np.array(self.trivial))

    def __str__(self) -> str:
        return f"recipe {self.recipe} on {self.data}"


def read_references(tell: Tell, folder: Path = REFERENCES) -> tuple[Reference, ...]:
    """All that are there; one that cannot be used is told."""
    found = []
    for file in sorted(folder.glob("*.json")):
        held = read_json(file, tell)
        try:
            if held is not None:
                found.append(TypeAdapter(Reference).validate_python(held))
        except ValidationError as error:
            tell(f"{file.name} is no reference ({error.errors()[0]['msg']})")
    return tuple(found)


def target_of(config: Mapping[str, Any]) -> ReferenceTarget | None:
    """The target of a run by its configuration; None where that does not tell it."""
    kind, floor = config.get("target.kind"), number_of(config.get("target.variance_floor"))
    return ReferenceTarget(str(kind), floor) if kind is not None and floor == floor else None


def nearest(run: RunFacts, references: Sequence[Reference]) -> Reference | None:
    """The one of the run's recipe, else of its target, else of the nearest batch size."""
    recipe, target = recipe_of(run.starts), target_of(run.config)
    clips = number_of(run.config.get("batch.clips"))

    def distance(reference: Reference) -> tuple[bool, bool, float]:
        apart = abs(math.log(clips / reference.clips)) if clips > 0 else 0.0
        return reference.recipe != recipe, reference.target != target, apart

    return min(references, key=distance, default=None)


def write_reference(run: RunFacts, file: Path) -> None:
    """The run as a reference. Raises ConfigError where it is no pretraining with curves."""
    loss, trivial = (run.curves.get(f"loss/{name}") for name in ("train", "trivial"))
    target, clips = target_of(run.config), run.config.get("batch.clips")
    if loss is None or trivial is None or target is None or not run.starts:
        raise ConfigError(
            f"report: {run.folder} cannot be a reference; it must be a pretraining with its "
            "config.yaml, environment.json and log.jsonl"
        )
    steps = ratio(loss, trivial).steps  # of both
    steps = steps[np.unique(np.linspace(0, len(steps) - 1, MOST_POINTS).astype(int))]
    values = (each.values[np.isin(each.steps, steps)] for each in (loss, trivial))
    rounded = [[float(f"{value:.4g}") for value in each] for each in values]
    first = run.starts[0]
    held = {
        "recipe": recipe_of(run.starts),
        "data": f"{count(run.data.recordings, 'recording')}, {run.data.hours:.3g} h",
        "command": first.command,
        "versions": first.packages,
        "clips": clips,
        "target": {"kind": target.kind, "variance_floor": target.variance_floor},
        "steps": steps.tolist(),
        "loss": rounded[0],
        "trivial": rounded[1],
    }
    try:
        TypeAdapter(Reference).validate_python(held)
    except ValidationError as error:
        what = error.errors()[0]
        where = ".".join(map(str, what["loc"]))
        raise ConfigError(f"report: {run.folder}: no reference, {where}: {what['msg']}") from None
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in held.items()]
    try:
        write_atomic(file, "{\n" + ",\n".join(lines) + "\n}\n")
    except OSError as error:
        raise ConfigError(f"report: {file} cannot be written ({error.strerror})") from None
