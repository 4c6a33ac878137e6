"""Runs jobs on recordings in parallel processes, so that none can hang or crash the others."""

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, Literal, NamedTuple, TypeVar

from video.atomic_write import OutputError
from video.recording import UnreadableVideo, blamed_on

T = TypeVar("T")
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)
# Called by a job with its progress, 0 to 1; a job that does not call it for long has hung.
ReportProgress = Callable[[float], None]

# A server that has imported the readers, or a fork of this process, which may have torch too.
StartMethod = Literal["forkserver", "fork"]
CONTEXTS: dict[StartMethod, ForkServerContext | ForkContext] = {
    "forkserver": multiprocessing.get_context("forkserver"),
    "fork": multiprocessing.get_context("fork"),
}
CONTEXTS["forkserver"].set_forkserver_preload(["video.readers.verify", "video.readers.probe"])


class Job(NamedTuple):
    """A call for one recording: `function(*arguments, report_progress)`; it must be picklable."""

    path: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Event(NamedTuple):
    """The progress of a job; at 1.0 with its outcome, which may be an UnreadableVideo."""

    job: int
    progress: float
    outcome: Any = None


# Yields the events that have an outcome, and displays all events under a title.
ProgressDisplay = Callable[[Iterator[Event], Sequence[Job], str], Iterator[Event]]


@dataclass
class _Worker:
    job: int
    process: BaseProcess
    connection: Connection
    last_message: float  # time.monotonic() of the last message


def run_all(
    jobs: Sequence[Job],
    processes: int,
    timeout: float,
    activity: str,
    display: ProgressDisplay,
    start: StartMethod = "forkserver",
) -> list[Any]:
    """The outcomes of the jobs, in their order; 0 `processes` means one per core.

    See `run_isolated`.
    """
    outcomes: list[Any] = [None] * len(jobs)
    parallel = processes or len(os.sched_getaffinity(0))
    with closing(run_isolated(jobs, parallel, timeout, start)) as events:
        for event in display(events, jobs, activity):
            outcomes[event.job] = event.outcome
    return outcomes


def run_isolated(
    jobs: Sequence[Job], processes: int, timeout: float, start: StartMethod = "forkserver"
) -> Generator[Event, None, None]:
    """Runs the jobs and yields their events as they arrive, in no fixed order.

    A job that raises an exception, reports nothing for `timeout` seconds, or crashes its process
    has an UnreadableVideo as its outcome. Only an OutputError ends all jobs and is raised again.
    """
    waiting = iter(enumerate(jobs))
    running: list[_Worker] = []
    try:
        while True:
            while len(running) < processes and (following := next(waiting, None)):
                running.append(_start(*following, start))
            if not running:
                return
            ready = wait([worker.connection for worker in running], timeout=0.5)
            for worker in list(running):
                event = _receive(worker, jobs[worker.job].path, worker.connection in ready)
                if event is None:
                    event = _check_timeout(worker, jobs[worker.job].path, timeout)
                if event is None:
                    continue
                yield event
                if event.outcome is not None:
                    running.remove(worker)
                    _stop(worker)
    finally:
        for worker in running:
            _stop(worker)


def _start(number: int, job: Job, start: StartMethod) -> _Worker:
    context = CONTEXTS[start]
    receiver, sender = context.Pipe(duplex=False)
    forked_by = os.getpid() if start == "fork" else None  # else the fork server forks it
    process = context.Process(target=_run_job, args=(sender, job, forked_by), daemon=True)
    process.start()
    sender.close()
    return _Worker(number, process, receiver, time.monotonic())


def end_with_parent(forked_by: int | None = None) -> None:
    """Makes the kernel kill this process when its parent ends, however that happens (Linux only).

    Otherwise it could block forever on a full pipe, because it holds a copy of the reading end.
    `forked_by`: the parent's process ID; where it has ended already, this process ends at once.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if forked_by is not None and os.getppid() != forked_by:
        raise SystemExit  # it ended before the kernel was told


def _run_job(connection: Connection, job: Job, forked_by: int | None) -> None:
    end_with_parent(forked_by)

    def report_progress(progress: float) -> None:
        connection.send(("progress", progress))

    try:
        with blamed_on(job.path):
            outcome = job.function(*job.arguments, report_progress)
    except (UnreadableVideo, OutputError) as failure:
        outcome = failure
    connection.send(("outcome", outcome))


def _receive(worker: _Worker, path: str, is_ready: bool) -> Event | None:
    if not is_ready:
        return None
    try:
        kind, content = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join(5)
        code = worker.process.exitcode
        return Event(worker.job, 1.0, UnreadableVideo(path, f"the reader crashed (exit {code})"))
    worker.last_message = time.monotonic()
    if kind == "progress":
        return Event(worker.job, content)
    if isinstance(content, OutputError):
        raise content
    return Event(worker.job, 1.0, content)


def _check_timeout(worker: _Worker, path: str, timeout: float) -> Event | None:
    if time.monotonic() - worker.last_message < timeout:
        return None
    reason = f"the reader hung: no progress for {timeout:g} s"
    return Event(worker.job, 1.0, UnreadableVideo(path, reason))


def _stop(worker: _Worker) -> None:
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join()
    worker.connection.close()
