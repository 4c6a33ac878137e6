"""How far work on many recordings is, on a terminal or in a log."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from video.worker_processes import Event, Job

MAX_PRINTED = 12  # recordings whose whole report fits a terminal
LINES = 10  # of a log that is not a terminal


def show_progress(events: Iterator[Event], jobs: Sequence[Job], what: str) -> Iterator[Event]:
    """Passes on the outcomes among the events, and shows all of them."""
    if sys.stdout.isatty():
        yield from _on_terminal(events, jobs, what)
        return
    print(f"{what} {len(jobs)} recordings", flush=True)
    yield from _in_log(events, jobs, what)


def _on_terminal(events: Iterator[Event], jobs: Sequence[Job], what: str) -> Iterator[Event]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    shares = [0.0] * len(jobs)
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[at]}", markup=False),
    )
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(what, total=len(jobs), at="")
        for event in events:
            shares[event.job] = event.progress
            name = Path(jobs[event.job].path).name
            progress.update(task, completed=round(sum(shares), 2), at=name)
            if event.outcome is not None:
                yield event


def _in_log(events: Iterator[Event], jobs: Sequence[Job], what: str) -> Iterator[Event]:
    done = 0
    for event in events:
        if event.outcome is not None:
            done += 1
            if len(jobs) > LINES and done * LINES // len(jobs) > (done - 1) * LINES // len(jobs):
                print(f"{what}: {done} of {len(jobs)}", flush=True)
            yield event
