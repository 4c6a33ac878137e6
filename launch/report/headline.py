"""The key values at the top of a page."""

from typing import NamedTuple

import numpy as np

from launch.report.eval_results import EvalResult
from launch.report.formatting import (
    format_count,
    format_difference,
    format_duration,
    format_number,
    format_percent,
    format_time,
)
from launch.report.run_data import RunData

HIGH_DATA_WAIT = 0.1  # share of the time
MAX_NOTES = 3
RUNNING_SECONDS = 900  # since the last change of a file


class KeyValue(NamedTuple):
    """A value with its name, and a note that puts it into proportion."""

    name: str
    value: str
    note: str = ""
    is_bad: bool = False


def key_values(run: RunData) -> tuple[KeyValue, ...]:
    """What is known of a run; unknown values are left out, so runs may have different ones."""
    found = (
        _steps(run),
        _loss(run),
        *_validation(run),
        *(_result(run, each) for each in run.results),
        _speed(run),
        _data_wait(run),
        _time(run),
        _unreadable(run),
        _skipped(run),
        _restarts(run),
    )
    return tuple(value for value in found if value is not None)


def describe_status(run: RunData, now: float) -> str:
    """Whether the run is complete; `now` in seconds since the epoch."""
    status = run.status
    if status.complete:
        return f"complete ({status.result} is written)"
    if status.last_change is None:
        return "not complete"
    age = now - status.last_change.timestamp()
    activity = "probably running" if age < RUNNING_SECONDS else "stopped or waiting"
    return f"not complete, {activity}: last change {format_duration(max(0, age))} before this page"


def _steps(run: RunData) -> KeyValue:
    status = run.status
    planned = f"of {status.planned_steps:,}" if status.planned_steps else ""
    if status.planned_epochs and not planned:
        planned = f"of {status.planned_epochs:g} epochs"
    return KeyValue("Steps", f"{status.step:,}", planned)


def _loss(run: RunData) -> KeyValue | None:
    loss, baseline = (run.curves.get(f"loss/{name}") for name in ("train", "constant_baseline"))
    if loss is None:
        return None
    note = ""
    if baseline is not None and baseline.last and baseline.steps[-1] == loss.steps[-1]:
        difference = format_difference(loss.last / baseline.last)
        note = f"{difference} the constant baseline ({baseline.last:.4g})"
    return KeyValue("Training loss", f"{loss.last:.4g}", note)


def _validation(run: RunData) -> list[KeyValue]:
    metric = str(run.config.get("validation.metric", ""))
    curve = run.curves.get(f"val/{metric.replace(' ', '_')}")
    if curve is None:
        return []
    best = int(curve.values.argmax())
    value = f"{curve.values[best]:.3f}"
    return [KeyValue(f"Best {metric}, val", value, f"at step {curve.steps[best]:,}")]


def _result(run: RunData, result: EvalResult) -> KeyValue | None:
    """The metric by which the best step was chosen."""
    metric = str(run.config.get("validation.metric", ""))
    if result.part == "val" and f"val/{metric.replace(' ', '_')}" in run.curves:
        return None  # shown as the best value
    if metric not in result.metrics:
        metric = next(iter(result.metrics), "")
    if not metric:
        return None
    notes = [f"{name} {value:.3f}" for name, value in result.baselines.items()]
    value = f"{result.metrics[metric]:.3f}"
    return KeyValue(f"{metric}, {result.part}", value, ", ".join(notes[:MAX_NOTES]))


def _speed(run: RunData) -> KeyValue | None:
    speed, mfu = run.curves.get("speed/clips_per_second"), run.curves.get("speed/mfu")
    if speed is None:
        return None
    note = f"{format_percent(float(np.median(mfu.recent.values)))} MFU" if mfu else ""
    return KeyValue("Clips per second", format_number(float(np.median(speed.recent.values))), note)


def _data_wait(run: RunData) -> KeyValue | None:
    waiting = run.curves.get("speed/data_wait")
    if waiting is None:
        return None
    share = float(waiting.recent.values.mean())
    is_bad = share > HIGH_DATA_WAIT
    return KeyValue("Waiting for data", format_percent(share), "of the time", is_bad)


def _time(run: RunData) -> KeyValue | None:
    status = run.status
    if status.training_seconds is None and status.elapsed_seconds is None:
        return None
    elapsed = "" if status.elapsed_seconds is None else format_duration(status.elapsed_seconds)
    if status.training_seconds is None:
        return KeyValue("Time", elapsed, "since the first start")
    note = f"of {elapsed} since the first start" if elapsed else ""
    return KeyValue("Training time", format_duration(status.training_seconds), note)


def _unreadable(run: RunData) -> KeyValue:
    counts = run.data.failure_counts
    logged = run.curves.get("data/unreadable")
    total = max(sum(counts.values()), int(logged.last) if logged else 0)
    notes = [f"{during}: {count:,}" for during, count in counts.items() if during]
    return KeyValue("Unreadable", f"{total:,}", ", ".join(notes[:MAX_NOTES]), total > 0)


def _skipped(run: RunData) -> KeyValue | None:
    skipped, overflows = (run.curves.get(f"optimizer/{n}") for n in ("skipped", "overflows"))
    if skipped is None:
        return None
    note = f"and {format_count(int(overflows.last), 'fp16 overflow')}" if overflows else ""
    return KeyValue("Skipped steps", f"{skipped.last:.0f}", note, skipped.last > 0)


def _restarts(run: RunData) -> KeyValue | None:
    if not run.starts:
        return None
    # a start before the first checkpoint begins at step 0 again, but counts too
    number = len(run.starts) - 1
    return KeyValue("Restarts", f"{number:,}", f"first start {run.starts[0].local_time[:16]}")


def describe_throughput(run: RunData) -> str:
    """Of the whole run; empty if no speed was logged."""
    speed, waiting = (run.curves.get(f"speed/{n}") for n in ("clips_per_second", "data_wait"))
    if speed is None:
        return ""
    median = float(np.median(speed.values))
    text = f"Median throughput: {format_number(median)} clips per second"
    counts = {start.processes for start in run.starts}
    processes = counts.pop() if len(counts) == 1 else ""
    if processes.isdecimal() and int(processes) > 1:
        text += f", {format_number(median / int(processes))} on each of {processes} processes"
    if waiting is not None:
        text += f"; waiting for data: {format_percent(float(waiting.values.mean()))} of the time"
    return f"{text}."


def describe_last_change(run: RunData) -> str:
    """When a file of the run changed last; empty if unknown."""
    return format_time(run.status.last_change) if run.status.last_change else ""
