"""Work on recordings side by side, a process for each: none can hang or crash the rest."""

import ctypes
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, Literal, NamedTuple, TypeVar

from video.recording import UnreadableVideo

T = TypeVar("T")
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)
ReportProgress = Callable[
    [float], None
]  # a process says how far it is, 0 to 1; silence means it hangs

# A server that has imported what opening needs; or a copy of this process, which has torch as well.
StartMethod = Literal["forkserver", "fork"]
CONTEXTS: dict[StartMethod, ForkServerContext | ForkContext] = {
    "forkserver": multiprocessing.get_context("forkserver"),
    "fork": multiprocessing.get_context("fork"),
}
CONTEXTS["forkserver"].set_forkserver_preload(["video.readers.verify", "video.readers.probe"])


class Job(NamedTuple):
    """A call for one recording: `function(*arguments, tell)`, which can be pickled."""

    path: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Event(NamedTuple):
    """News of a job: how far it is, or with 1.0 its outcome, a failure perhaps."""

    job: int
    progress: float
    outcome: Any = None


# Passes on the outcomes among the events, and shows all of them under a heading.
ProgressDisplay = Callable[[Iterator[Event], Sequence[Job], str], Iterator[Event]]


class _JobError(NamedTuple):
    """A job ended by an exception that is not about its recording."""

    error: BaseException | None
    trace: str


@dataclass
class _Worker:
    job: int
    process: BaseProcess
    connection: Connection
    last_message: float  # when it last said something


def run_all(
    jobs: Sequence[Job],
    processes: int,
    timeout: float,
    activity: str,
    display: ProgressDisplay,
    start: StartMethod = "forkserver",
) -> list[Any]:
    """The outcome of each job, in their order; `processes` 0 means one a core. See `run_apart`."""
    found: list[Any] = [None] * len(jobs)
    side_by_side = processes or len(os.sched_getaffinity(0))
    with closing(run_isolated(jobs, side_by_side, timeout, start)) as events:
        for event in display(events, jobs, activity):
            found[event.job] = event.outcome
    return found


def run_isolated(
    jobs: Sequence[Job], processes: int, timeout: float, start: StartMethod = "forkserver"
) -> Generator[Event, None, None]:
    """Runs the jobs and yields their news as it comes; outcomes in no certain order.

    A job that raises UnreadableVideo, says nothing for `silence_seconds`, or takes its process
    down, has an UnreadableVideo as its outcome. An OSError is raised here, as is anything else,
    and ends all.
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
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_job, args=(theirs, job), daemon=True)
    process.start()
    theirs.close()
    return _Worker(number, process, ours, time.monotonic())


def end_with_parent() -> None:
    """From now on this process is killed when the one that started it ends, in whatever way.

    Else it would wait for ever for someone to read what it writes, for it has itself a copy of
    the other end. Only on Linux.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run_job(connection: Connection, job: Job) -> None:
    end_with_parent()

    def tell(progress: float) -> None:
        connection.send(("progress", progress))

    try:
        outcome = job.function(*job.arguments, tell)
    except UnreadableVideo as failure:
        outcome = failure
    except OSError as error:
        outcome = _JobError(error, "")
    except Exception:
        outcome = _JobError(None, traceback.format_exc())
    connection.send(("outcome", outcome))


def _receive(worker: _Worker, path: str, is_ready: bool) -> Event | None:
    if not is_ready:
        return None
    try:
        kind, content = worker.connection.recv()
    except EOFError:
        worker.process.join(5)
        code = worker.process.exitcode
        return Event(worker.job, 1.0, UnreadableVideo(path, f"the reader crashed (exit {code})"))
    worker.last_message = time.monotonic()
    if kind == "progress":
        return Event(worker.job, content)
    if isinstance(content, _JobError):
        raise content.error or RuntimeError(f"while working on {path}:\n{content.trace}")
    return Event(worker.job, 1.0, content)


def _check_timeout(worker: _Worker, path: str, silence_seconds: float) -> Event | None:
    if time.monotonic() - worker.last_message < silence_seconds:
        return None
    reason = f"the reader hung: it said nothing for {silence_seconds:g} s"
    return Event(worker.job, 1.0, UnreadableVideo(path, reason))


def _stop(worker: _Worker) -> None:
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join()
    worker.connection.close()
