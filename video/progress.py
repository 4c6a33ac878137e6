"""Shows the progress of work on many recordings, on a terminal or in a log file."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from video.text_table import format_count
from video.worker_processes import Event, Job

MAX_PRINTED = 12  # recordings: a longer report goes to its file only
LOG_LINES = 10  # at most, where the output is not a terminal


def show_progress(events: Iterator[Event], jobs: Sequence[Job], activity: str) -> Iterator[Event]:
    """Yields the events that have an outcome, and shows the progress of all events."""
    if sys.stdout.isatty():
        yield from _on_terminal(events, jobs, activity)
        return
    print(f"{activity} {format_count(len(jobs), 'recording')}", flush=True)
    yield from _in_log(events, jobs, activity)


def _on_terminal(events: Iterator[Event], jobs: Sequence[Job], activity: str) -> Iterator[Event]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    fractions = [0.0] * len(jobs)
    columns = (
        TextColumn(activity),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[recording]}", markup=False),
    )
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(activity, total=len(jobs), recording="")
        for event in events:
            fractions[event.job] = event.progress
            name = Path(jobs[event.job].path).name
            progress.update(task, completed=round(sum(fractions), 2), recording=name)
            if event.outcome is not None:
                yield event


def _in_log(events: Iterator[Event], jobs: Sequence[Job], activity: str) -> Iterator[Event]:
    done = 0
    for event in events:
        if event.outcome is not None:
            done += 1
            if len(jobs) > LOG_LINES and done * LOG_LINES // len(jobs) > (
                done - 1
            ) * LOG_LINES // len(jobs):
                print(f"{activity}: {done} of {len(jobs)}", flush=True)
            yield event
