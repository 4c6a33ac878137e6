"""Curves of well-trained runs, with which other runs are compared."""

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
from launch.report.formatting import format_count
from launch.report.run_data import RunData
from launch.report.start_history import recipe_name
from launch.report.tolerant_read import Warn, read_json, to_number

REFERENCES = Path(__file__).parent / "references"
MAX_POINTS = 200  # of a reference
OLD_KEYS = {"clips": "global_batch_size", "trivial": "constant_baseline"}  # up to version 7b7086b
STRICT = ConfigDict(extra="forbid")

Number = Annotated[float, Field(allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class ReferenceTarget:
    """The part of a recipe's `target` on which the scale of the loss depends."""

    kind: str
    variance_floor: Number

    def __str__(self) -> str:
        floor = f", variance floor {self.variance_floor:g}" if self.variance_floor else ""
        return f"{self.kind.replace('_', ' ')}{floor}"


@dataclass(frozen=True, config=STRICT)
class ReferenceRun:
    """The loss of a successful pretraining on known recordings."""

    recipe: str
    data: str  # a short description
    command: str
    versions: dict[str, str]
    global_batch_size: Annotated[int, Field(gt=0)]
    target: ReferenceTarget
    steps: tuple[Annotated[int, Field(ge=0)], ...]
    loss: tuple[Number, ...]
    constant_baseline: tuple[PositiveNumber, ...]

    @model_validator(mode="before")
    @classmethod
    def _rename_old_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {OLD_KEYS.get(key, key): value for key, value in values.items()}
        return values

    @model_validator(mode="after")
    def _is_consistent(self) -> "ReferenceRun":
        if not len(self.steps) == len(self.loss) == len(self.constant_baseline) > 0:
            raise ValueError("steps, loss and constant_baseline differ in length, or are empty")
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError("steps do not ascend")
        return self

    @property
    def ratio(self) -> Curve:
        """The loss divided by the constant baseline."""
        values = np.array(self.loss) / np.array(self.constant_baseline)
        return Curve(np.array(self.steps), values)

    def __str__(self) -> str:
        return f"recipe {self.recipe} on {self.data}"


def read_references(warn: Warn, folder: Path = REFERENCES) -> tuple[ReferenceRun, ...]:
    """All references in the folder; `warn` reports one that is damaged."""
    found = []
    for file in sorted(folder.glob("*.json")):
        values = read_json(file, warn)
        try:
            if values is not None:
                found.append(TypeAdapter(ReferenceRun).validate_python(values))
        except ValidationError as error:
            warn(f"{file.name} is not a reference ({error.errors()[0]['msg']})")
    return tuple(found)


def target_of(config: Mapping[str, Any]) -> ReferenceTarget | None:
    """The target of a run by its configuration; None if it is unknown."""
    kind, floor = config.get("target.kind"), to_number(config.get("target.variance_floor"))
    return ReferenceTarget(str(kind), floor) if kind is not None and floor == floor else None


def nearest_reference(run: RunData, references: Sequence[ReferenceRun]) -> ReferenceRun | None:
    """One of the same recipe, otherwise of the same target, otherwise of a similar batch size."""
    recipe, target = recipe_name(run.starts), target_of(run.config)
    batch = to_number(run.config.get("batch.global_batch_size"))

    def distance(reference: ReferenceRun) -> tuple[bool, bool, float]:
        factor = abs(math.log(batch / reference.global_batch_size)) if batch > 0 else 0.0
        return reference.recipe != recipe, reference.target != target, factor

    return min(references, key=distance, default=None)


def write_reference(run: RunData, file: Path) -> None:
    """Writes a run as a reference. Raises ConfigError if it is not a pretraining with curves."""
    loss, baseline = (run.curves.get(f"loss/{name}") for name in ("train", "constant_baseline"))
    target = target_of(run.config)
    if loss is None or baseline is None or target is None or not run.starts:
        raise ConfigError(
            f"report: {run.folder} cannot be a reference; give a pretraining that has config.yaml, "
            "environment.json and log.jsonl"
        )
    steps = ratio(loss, baseline).steps
    steps = steps[np.unique(np.linspace(0, len(steps) - 1, MAX_POINTS).astype(int))]
    values = (each.values[np.isin(each.steps, steps)] for each in (loss, baseline))
    rounded = [[float(f"{value:.4g}") for value in each] for each in values]
    first = run.starts[0]
    content = {
        "recipe": recipe_name(run.starts),
        "data": f"{format_count(run.data.recordings, 'recording')}, {run.data.hours:.3g} h",
        "command": first.command,
        "versions": first.packages,
        "global_batch_size": run.config.get("batch.global_batch_size"),
        "target": {"kind": target.kind, "variance_floor": target.variance_floor},
        "steps": steps.tolist(),
        "loss": rounded[0],
        "constant_baseline": rounded[1],
    }
    try:
        TypeAdapter(ReferenceRun).validate_python(content)
    except ValidationError as error:
        first_error = error.errors()[0]
        key, reason = ".".join(map(str, first_error["loc"])), first_error["msg"]
        raise ConfigError(f"report: {run.folder} cannot be a reference; {key}: {reason}") from None
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in content.items()]
    try:
        write_atomic(file, "{\n" + ",\n".join(lines) + "\n}\n")
    except OSError as error:
        raise ConfigError(f"report: {file} cannot be written ({error.strerror})") from None
