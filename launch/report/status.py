"""The progress of a run, and whether it is complete."""

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from launch.report.curves import Curve
from launch.report.start_history import Start
from launch.report.tolerant_read import JSON_ERRORS, to_count, to_number

RunKind = Literal["pretraining", "finetuning", "run"]

MAX_HEADER_BYTES = 2**27  # of safetensors
TIMED_FILES = ("log.jsonl", "environment.json", "config.yaml", "reconstruction.png", "checkpoints")
TIME_TOLERANCE = 60  # seconds by which copying may reorder the times of files


class RunStatus(NamedTuple):
    """Times are None if they are unknown."""

    step: int
    planned_steps: int | None
    planned_epochs: float | None
    complete: bool
    result: str  # the file that a complete run of its kind writes, if it exists
    last_change: datetime | None  # of the run's files
    training_seconds: float | None  # steps by their speed: without starting, saving and evaluation
    elapsed_seconds: float | None  # from the first start to the last change of the files


def run_kind(config: Mapping[str, Any], starts: Sequence[Start], folder: Path) -> RunKind:
    """By the configuration, otherwise by the command, otherwise by the files."""
    sections = {path.partition(".")[0] for path in config}
    command = starts[0].command if starts else ""
    kinds: tuple[tuple[RunKind, str, str, str], ...] = (
        ("pretraining", "decoder", "-m pretrain ", "encoder.safetensors"),
        ("finetuning", "head", "-m finetune ", "classifier.safetensors"),
    )
    for kind, section, program, file in kinds:
        is_like = program in command or (folder / file).is_file()
        if section in sections or (not sections and is_like):
            return kind
    return "run"


def read_status(
    folder: Path,
    kind: RunKind,
    config: Mapping[str, Any],
    curves: Mapping[str, Curve],
    starts: Sequence[Start],
) -> RunStatus:
    """Of a run folder whose other files have been read."""
    step = max((int(curve.steps[-1]) for curve in curves.values()), default=0)
    planned = to_count(config.get("schedule.steps"))
    if planned is None and starts:  # the recipe has epochs
        planned = starts[-1].to_step
    epochs = to_number(config.get("schedule.epochs"))
    complete, result = _completion(folder, kind, step, planned, curves)
    times = [time for name in TIMED_FILES if (time := _mtime(folder / name)) is not None]
    last_change = max(times, default=None)
    first_start = next((start.parsed_time for start in starts if start.parsed_time), None)
    return RunStatus(
        step,
        planned,
        epochs if epochs == epochs else None,
        complete,
        result,
        datetime.fromtimestamp(last_change, timezone.utc) if last_change else None,
        _training_seconds(config, curves),
        max(0.0, last_change - first_start.timestamp()) if last_change and first_start else None,
    )


def _completion(
    folder: Path, kind: RunKind, step: int, planned: int | None, curves: Mapping[str, Curve]
) -> tuple[bool, str]:
    """Whether the run is complete, and its result; a run that was extended is not complete."""
    is_short = planned is not None and step < planned
    if kind != "finetuning":
        file = folder / "encoder.safetensors"
        exported_step, exists = _exported_step(file), file.is_file()
        is_current = exported_step is None or exported_step >= step
        return exists and not is_short and is_current, file.name if exists else ""
    exists = (folder / "classifier.safetensors").is_file()
    result = "classifier.safetensors" if exists else ""
    evaluated = [
        time
        for part in ("val", "test")
        if (time := _mtime(folder / f"predictions_{part}.npz")) is not None
    ]
    if evaluated:
        logged = _mtime(folder / "log.jsonl") or 0.0
        return not is_short and max(evaluated) > logged - TIME_TOLERANCE, result or "predictions"
    # with validation, the best classifier so far exists long before the end
    has_validation = any(name.startswith("val/") for name in curves)
    return exists and not has_validation and not is_short, result


def _exported_step(file: Path) -> int | None:
    """The training step in the header of a weights file; None if it is unknown."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(min(length, MAX_HEADER_BYTES)))
        return to_count(json.loads(header["__metadata__"]["step"]))
    except (OSError, struct.error, KeyError, TypeError, *JSON_ERRORS):
        return None


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _training_seconds(config: Mapping[str, Any], curves: Mapping[str, Curve]) -> float | None:
    """A logged speed is that of the steps since the previous line."""
    speed = curves.get("speed/clips_per_second")
    batch = to_number(config.get("batch.global_batch_size"))
    if speed is None or batch != batch or (speed.values <= 0).any():
        return None
    steps = np.diff(speed.steps, prepend=0)
    return float((steps * batch / speed.values).sum())
