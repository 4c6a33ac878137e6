"""How far a run has come, and whether it is over."""

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from launch.report.curves import Curve
from launch.report.start_history import Start
from launch.report.tolerant_read import NOT_JSON, number_of, whole_number_of

Kind = Literal["pretraining", "finetuning", "run"]

MOST_HEADER = 2**27  # bytes
WATCHED = ("log.jsonl", "environment.json", "config.yaml", "reconstruction.png", "checkpoints")
APART = 60  # seconds by which files that were copied may have changed places in time


class State(NamedTuple):
    """Times are None where nothing tells them."""

    step: int
    planned_steps: int | None
    planned_epochs: float | None
    complete: bool
    left: str  # the file that a complete run of its kind leaves, where it is there
    written: datetime | None  # when its files changed last
    training_seconds: float | None  # steps over their speed: without starts, saving and testing
    elapsed_seconds: float | None  # from the first start until its files changed last


def kind_of(config: Mapping[str, Any], starts: Sequence[Start], folder: Path) -> Kind:
    """What the run trains, by its configuration, else by its command, else by what it left."""
    tops = {path.partition(".")[0] for path in config}
    command = starts[0].command if starts else ""
    for kind, top, program, file in (
        ("pretraining", "decoder", "-m pretrain ", "encoder.safetensors"),
        ("finetuning", "head", "-m finetune ", "classifier.safetensors"),
    ):
        if top in tops or (not tops and (program in command or (folder / file).is_file())):
            return kind  # type: ignore[return-value]
    return "run"


def read_state(
    folder: Path,
    kind: Kind,
    config: Mapping[str, Any],
    curves: Mapping[str, Curve],
    starts: Sequence[Start],
) -> State:
    """Of a run folder, whose other files were read before."""
    step = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    planned = whole_number_of(config.get("schedule.steps"))
    if planned is None and starts:  # a run of so many epochs
        planned = starts[-1].to_step
    epochs = number_of(config.get("schedule.epochs"))
    complete, left = _left(folder, kind, step, planned, curves)
    times = [time for name in WATCHED if (time := _changed(folder / name)) is not None]
    written = max(times, default=None)
    begun = next((start.when for start in starts if start.when), None)
    return State(
        step,
        planned,
        epochs if epochs == epochs else None,
        complete,
        left,
        datetime.fromtimestamp(written, timezone.utc) if written else None,
        _training_seconds(config, curves),
        max(0.0, written - begun.timestamp()) if written and begun else None,
    )


def _left(
    folder: Path, kind: Kind, step: int, planned: int | None, curves: Mapping[str, Curve]
) -> tuple[bool, str]:
    """Whether the run is over, and what it left; a run that was made longer is not over."""
    short = planned is not None and step < planned
    if kind != "finetuning":
        file = folder / "encoder.safetensors"
        known = _step_of(file)
        there = file.is_file()
        return there and not short and (known is None or known >= step), file.name if there else ""
    there = (folder / "classifier.safetensors").is_file()
    left = "classifier.safetensors" if there else ""
    tested = [
        time
        for part in ("val", "test")
        if (time := _changed(folder / f"predictions_{part}.npz")) is not None
    ]
    if tested:
        logged = _changed(folder / "log.jsonl") or 0.0
        return not short and max(tested) > logged - APART, left or "predictions"
    # with a part val, the best classifier so far is there long before the end
    validates = any(name.startswith("val/") for name in curves)
    return there and not validates and not short, left


def _step_of(file: Path) -> int | None:
    """The step that a file of weights is of, by its header; None where that cannot be read."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(min(length, MOST_HEADER)))
        return whole_number_of(json.loads(header["__metadata__"]["step"]))
    except (OSError, struct.error, KeyError, TypeError, *NOT_JSON):
        return None


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _training_seconds(config: Mapping[str, Any], curves: Mapping[str, Curve]) -> float | None:
    """Each logged speed is that of the steps since the line before it."""
    speed, clips = curves.get("speed/clips_per_second"), number_of(config.get("batch.clips"))
    if speed is None or clips != clips or (speed.values <= 0).any():
        return None
    steps = np.diff(speed.steps, prepend=0)
    return float((steps * clips / speed.values).sum())
