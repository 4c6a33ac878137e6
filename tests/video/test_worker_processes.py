"""Work side by side: outcomes by job, and hangs and crashes cost no more than their own job."""

import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import HANG_LIMIT, ROOT
from video.atomic_write import OutputError
from video.recording import UnreadableVideo
from video.worker_processes import CONTEXTS, Event, Job, ReportProgress, StartMethod, run_isolated


def work(what: str, report_progress: ReportProgress) -> str:
    if what == "slow":
        for step in range(22):
            report_progress(step / 22)
            time.sleep(0.5)
    if what == "hang":
        time.sleep(1200)
    if what == "crash":
        os.abort()
    if what == "broken":
        raise UnreadableVideo(what, "is broken")
    if what == "full":
        raise OutputError(28, "No space left on device", "/full")
    if what == "unreadable":
        raise PermissionError(13, "Permission denied", "/unreadable")
    if what == "bug":
        raise KeyError("bug")
    return what.upper()


def run(*names: str, silence: float = 60, start: StartMethod = "forkserver") -> dict[str, object]:
    jobs = [Job(name, work, (name,)) for name in names]
    events: list[Event] = list(run_isolated(jobs, 2, silence, start))
    return {names[event.job]: event.outcome for event in events if event.outcome is not None}


@pytest.mark.parametrize("start", CONTEXTS)
def test_every_job_has_its_outcome(start: StartMethod) -> None:
    assert run("a", "b", "c", "d", "e", start=start) == {name: name.upper() for name in "abcde"}
    assert run() == {}


@pytest.mark.parametrize("start", ["forkserver", pytest.param("fork", marks=pytest.mark.soak)])
def test_failures_hangs_and_crashes_are_outcomes_and_do_not_stop_the_others(
    start: StartMethod,
) -> None:
    run("a", start=start)  # the first process takes longest to come
    outcomes = run("a", "broken", "hang", "crash", "slow", "b", silence=10, start=start)
    assert (outcomes["a"], outcomes["b"], outcomes["slow"]) == ("A", "B", "SLOW")
    assert str(outcomes["broken"]) == "broken: is broken"
    assert str(outcomes["hang"]) == "hang: the reader hung: no progress for 10 s"
    assert str(outcomes["crash"]) == "crash: the reader crashed (exit -6)"


def test_a_full_disk_ends_all() -> None:
    with pytest.raises(OutputError, match="No space left on device"):
        run("a", "full", "b")


def test_whatever_a_recording_raises_costs_only_that_recording() -> None:
    outcomes = run("a", "bug", "unreadable", "b")
    assert (outcomes["a"], outcomes["b"]) == ("A", "B")
    assert isinstance(outcomes["bug"], UnreadableVideo)
    assert re.fullmatch(
        r"bug: cannot be read \(KeyError at test_worker_processes.py:\d+: 'bug'\); copy it .*",
        str(outcomes["bug"]),
    )
    assert "(PermissionError at" in str(outcomes["unreadable"])


def test_no_process_outlives_the_work() -> None:
    jobs = [Job("hang", work, ("hang",)), Job("a", work, ("a",))]
    events = run_isolated(jobs, 2, 60)
    assert next(events).outcome == "A"
    events.close()
    assert not multiprocessing.active_children()


KILLED = """
import os, time
from video.worker_processes import Job, run_isolated

def work(seconds, report_progress):
    report_progress(0.5)
    time.sleep(seconds)
    return bytes(2**24)  # more than a pipe holds

if __name__ == "__main__":
    jobs = [Job(name, work, (seconds,)) for name, seconds in (("writes", 0), ("hangs", 1200))]
    events = run_isolated(jobs, 2, 1200, "fork")
    next(events), next(events)
    os.kill(os.getpid(), 9)
"""


def test_no_process_outlives_a_program_of_which_it_is_a_copy(tmp_path: Path) -> None:
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    # waits for the pipes, which a process that is left would hold
    done = subprocess.run(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
    )
    assert (done.returncode, done.stderr) == (-9, "")
