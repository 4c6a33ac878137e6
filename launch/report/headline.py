"""The figures at the head of a page: those by which a run is first judged."""

from typing import NamedTuple

import numpy as np

from launch.report.eval_results import Result
from launch.report.formatting import clock, count, gap, percent, short, span
from launch.report.run_data import RunFacts

MUCH_WAITING = 0.1  # share of time
MOST_BESIDE = 3


class Figure(NamedTuple):
    """A big figure with its name above and what puts it into proportion below."""

    name: str
    value: str
    beside: str = ""
    is_bad: bool = False


def figures_of(run: RunFacts) -> tuple[Figure, ...]:
    """A row of them; what is not known is left out, so runs may have different ones."""
    found = (
        _steps(run),
        _loss(run),
        *_validation(run),
        *(_result(run, each) for each in run.results),
        _speed(run),
        _waiting(run),
        _time(run),
        _unreadable(run),
        _skipped(run),
        _restarts(run),
    )
    return tuple(figure for figure in found if figure is not None)


def state_in_words(run: RunFacts, now: float) -> str:
    """Whether the run is over; `now` in seconds since the epoch."""
    state = run.state
    if state.complete:
        return f"complete: it has left {state.left}"
    if state.written is None:
        return "not complete"
    age = now - state.written.timestamp()
    doing = "is probably running" if age < 900 else "has stopped or waits"
    return f"not complete: it {doing}; its files changed last {span(max(0, age))} before this page"


def _steps(run: RunFacts) -> Figure:
    state = run.state
    planned = f"of {state.planned_steps:,}" if state.planned_steps else ""
    if state.planned_epochs and not planned:
        planned = f"of {state.planned_epochs:g} epochs"
    return Figure("Steps", f"{state.step:,}", planned)


def _loss(run: RunFacts) -> Figure | None:
    loss, trivial = (run.curves.get(f"loss/{name}") for name in ("train", "trivial"))
    if loss is None:
        return None
    beside = ""
    if trivial is not None and trivial.last:
        ratio = loss.last / trivial.last
        beside = f"{gap(ratio)} the trivial predictor's {trivial.last:.4g}"
    return Figure("Loss now", f"{loss.last:.4g}", beside)


def _validation(run: RunFacts) -> list[Figure]:
    metric = str(run.config.get("validation.metric", ""))
    curve = run.curves.get(f"val/{metric.replace(' ', '_')}")
    if curve is None:
        return []
    best = int(curve.values.argmax())
    return [Figure(f"Best {metric}, val", f"{curve.values[best]:.3f}", f"step {curve.steps[best]}")]


def _result(run: RunFacts, result: Result) -> Figure | None:
    """The figure that the best step was chosen by."""
    metric = str(run.config.get("validation.metric", ""))
    if result.part == "val" and f"val/{metric.replace(' ', '_')}" in run.curves:
        return None  # it is the best one
    if metric not in result.figures:
        metric = next(iter(result.figures), "")
    if not metric:
        return None
    beside = [f"{name} {value:.3f}" for name, value in result.beside.items()]
    value = f"{result.figures[metric]:.3f}"
    return Figure(f"{metric}, {result.part}", value, ", ".join(beside[:MOST_BESIDE]))


def _speed(run: RunFacts) -> Figure | None:
    speed, peak = run.curves.get("speed/clips_per_second"), run.curves.get("speed/mfu")
    if speed is None:
        return None
    beside = f"{percent(float(np.median(peak.recent.values)))} of the peak" if peak else ""
    return Figure("Clips a second", short(float(np.median(speed.recent.values))), beside)


def _waiting(run: RunFacts) -> Figure | None:
    waiting = run.curves.get("speed/data_wait")
    if waiting is None:
        return None
    share = float(waiting.recent.values.mean())
    return Figure("Waiting for data", percent(share), "of the time", share > MUCH_WAITING)


def _time(run: RunFacts) -> Figure | None:
    state = run.state
    if state.training_seconds is None and state.elapsed_seconds is None:
        return None
    elapsed = "" if state.elapsed_seconds is None else span(state.elapsed_seconds)
    if state.training_seconds is None:
        return Figure("Time", elapsed, "from the first start")
    beside = f"of {elapsed} since the first start" if elapsed else ""
    return Figure("Trained for", span(state.training_seconds), beside)


def _unreadable(run: RunFacts) -> Figure:
    failed = sum(run.data.failed.values())
    logged = run.curves.get("data/unreadable")
    failed = max(failed, int(logged.last) if logged else 0)
    parts = [f"{during}: {number:,}" for during, number in run.data.failed.items() if during]
    return Figure("Unreadable", f"{failed:,}", ", ".join(parts[:MOST_BESIDE]), failed > 0)


def _skipped(run: RunFacts) -> Figure | None:
    skipped, overflows = (run.curves.get(f"optimizer/{n}") for n in ("skipped", "overflows"))
    if skipped is None:
        return None
    beside = f"and {count(int(overflows.last), 'overflow')} of fp16" if overflows else ""
    return Figure("Steps skipped", f"{skipped.last:.0f}", beside, skipped.last > 0)


def _restarts(run: RunFacts) -> Figure | None:
    if not run.starts:
        return None
    # one that came before the first checkpoint began anew, from step 0
    number = len(run.starts) - 1
    return Figure("Restarts", f"{number:,}", f"begun {run.starts[0].clock[:16]}")


def throughput_in_words(run: RunFacts) -> str:
    """Over the whole run; empty where no speed was logged."""
    speed, waiting = (run.curves.get(f"speed/{n}") for n in ("clips_per_second", "data_wait"))
    if speed is None:
        return ""
    median = float(np.median(speed.values))
    said = f"{short(median)} clips a second in the median"
    numbers = {start.processes for start in run.starts}
    processes = numbers.pop() if len(numbers) == 1 else ""
    if processes.isdecimal() and int(processes) > 1:
        said += f", {short(median / int(processes))} for each of {processes} processes"
    if waiting is not None:
        said += f"; {percent(float(waiting.values.mean()))} of the time went into waiting for data"
    return f"{said}."


def written_in_words(run: RunFacts) -> str:
    """When the files of a run changed last; empty where that is not known."""
    return clock(run.state.written) if run.state.written else ""
