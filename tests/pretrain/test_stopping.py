"""Runs that are killed, stopped or out of disk resume to the last bit."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from launch.checkpoint.store import complete_checkpoints, step_of
from tests.conftest import fill, kill_all, wait_until
from tests.pretrain.runs import end, log_of, losses, run_alone, start_until, words

LONGER = ("schedule={steps: 30, warmup: 0.2}", "checkpoint.every_steps=10")
FIRST = "checkpoints/step-0000010"


@pytest.fixture(scope="module")
def whole(
    operations: Path, tmp_path_factory: pytest.TempPathFactory, together: Callable
) -> Callable[[int], list[float]]:
    """The losses of an uninterrupted run on some number of processes."""
    known: dict[int, list[float]] = {}

    def of(world_size: int) -> list[float]:
        if world_size not in known:
            run = tmp_path_factory.mktemp("whole") / "run"
            command = ["-m", "pretrain", *words(operations, run, *LONGER)]
            for outcome in together(command, world_size):
                assert outcome.returncode == 0, outcome.stderr
            known[world_size] = losses(run)
        return known[world_size]

    return of


def go_on(command: list[str], together: Callable, world_size: int) -> str:
    first, *others = together(["-m", "pretrain", *command], world_size)
    assert all(outcome.returncode == 0 for outcome in (first, *others)), first.stderr
    return first.stdout


@pytest.mark.soak
@pytest.mark.parametrize("world_size", [1, 2])
def test_a_killed_run_resumes_to_the_same_bits(
    operations: Path, tmp_path: Path, together: Callable, whole: Callable, world_size: int
) -> None:
    command = words(operations, tmp_path, *LONGER)
    kill_all(start_until(tmp_path / FIRST, command, world_size))
    output = go_on(command, together, world_size)
    assert "resume: weights, optimizer state, step and data order from " in output
    assert losses(tmp_path) == whole(world_size)
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert starts[1]["from_step"] in (10, 20)


def test_all_processes_stop_after_the_same_step_and_resume_to_the_same_bits(
    operations: Path, tmp_path: Path, together: Callable, whole: Callable
) -> None:
    command = words(operations, tmp_path, *LONGER, "checkpoint.async_save=true")
    started = start_until(tmp_path / FIRST, [*command, "data.workers=1"], 2)
    started[1].send_signal(signal.SIGUSR1)
    first, second = end(started)
    assert (first.returncode, second.returncode) == (75, 75)
    assert not second.stderr and first.stderr.splitlines()[-1].startswith("pretrain: stopped by ")
    done = log_of(tmp_path)[-1]["step"]
    assert f"after step {done}, which is saved" in first.stderr
    assert complete_checkpoints(tmp_path / "checkpoints")[-1].name == f"step-{done:07d}"
    go_on([*command, "data.workers=2"], together, 2)
    assert losses(tmp_path) == whole(2)


def test_a_signal_ends_monitoring_and_the_run_stops_after_the_next_step(
    operations: Path, tmp_path: Path
) -> None:
    command = words(operations, tmp_path, *LONGER, "log.feature_clips=20000")
    started = start_until(tmp_path / "log.jsonl", command, 2)
    wait_until(lambda: "loss/train" in (tmp_path / "log.jsonl").read_text(), *started)
    started[1].send_signal(signal.SIGTERM)  # step 1 is monitored, which would take minutes
    first, second = end(started)
    assert (first.returncode, second.returncode) == (75, 75), first.stderr + second.stderr
    assert "step 1 is not monitored: the run stops" in first.stdout
    assert "after step 2, which is saved" in first.stderr
    assert [line["step"] for line in log_of(tmp_path)] == [1, 2]
    assert all(line["speed/clips_per_second"] > 0.5 for line in log_of(tmp_path))


@pytest.mark.soak
def test_two_processes_stop_and_one_resumes(
    operations: Path, tmp_path: Path, together: Callable, whole: Callable
) -> None:
    command = words(operations, tmp_path, *LONGER, "engine.zero_stage=3")
    started = start_until(tmp_path / FIRST, command, 2)
    started[0].send_signal(signal.SIGINT)
    assert [outcome.returncode for outcome in end(started)] == [75, 75]
    go_on(command, together, 1)
    assert losses(tmp_path) == pytest.approx(whole(2), abs=1e-5, rel=0)


def test_a_second_run_in_the_folder_is_refused(operations: Path, tmp_path: Path) -> None:
    command = words(operations, tmp_path, "schedule.steps=100000", "checkpoint.every_steps=10")
    started = start_until(tmp_path / FIRST, command, 1)
    second = run_alone(command)
    kill_all(started)
    assert second.returncode == 2
    assert f"{tmp_path} is in use by process {started[0].pid} on " in second.stderr
    assert second.stderr.count("\n") == 1
    done = step_of(complete_checkpoints(tmp_path / "checkpoints")[-1])
    again = run_alone([*command, f"schedule.steps={done + 1}"])  # a dead run holds nothing
    assert again.returncode == 0, again.stderr
    config, logged = (tmp_path / "config.yaml").read_bytes(), log_of(tmp_path)
    shorter = run_alone([*command, f"schedule.steps={done - 1}"])
    assert shorter.returncode == 2
    assert f"schedule.steps: {done - 1} is less than the {done + 1} steps" in shorter.stderr
    assert (tmp_path / "config.yaml").read_bytes() == config and log_of(tmp_path) == logged


def test_a_run_whose_folder_is_renamed_ends_and_resumes_there(
    operations: Path, tmp_path: Path
) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    settings = ("schedule.steps=100000", "checkpoint={every_steps: 2, async_save: true}")
    started = start_until(run / FIRST, words(operations, run, *settings), 2)
    run.rename(elsewhere)
    first, other = end(started)
    assert (first.returncode, other.returncode) == (2, 2)
    assert first.stderr.startswith(f"pretrain: run: {run} was renamed to {elsewhere} while")
    assert first.stderr.count("\n") == 1 and other.stderr == ""
    assert not run.exists()
    done = step_of(complete_checkpoints(elsewhere / "checkpoints")[-1])
    again = run_alone(words(operations, elsewhere, *settings, f"schedule.steps={done + 1}"))
    assert again.returncode == 0, again.stderr
    assert [line["step"] for line in log_of(elsewhere)] == list(range(1, done + 2))


@pytest.mark.soak
def test_a_run_whose_folder_is_deleted_ends_and_does_not_make_it_again(
    operations: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = words(operations, run, "schedule.steps=100000", "checkpoint.every_steps=2")
    started = start_until(run / FIRST, command, 1)
    while run.exists():  # the run may save meanwhile
        shutil.rmtree(run, ignore_errors=True)
    (done,) = end(started)
    assert done.returncode == 2
    assert done.stderr.startswith(f"pretrain: run: {run} was deleted while")
    assert done.stderr.count("\n") == 1
    assert not run.exists()


@pytest.mark.soak
def test_a_run_on_a_full_disk_reports_it_and_resumes(
    operations: Path, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(8)
    run = disk / "run"
    command = words(operations, run, "schedule.steps=60", "checkpoint.every_steps=5")
    started = start_until(run / FIRST, command, 1)
    filler = fill(disk, leaving=0)
    (outcome,) = end(started)
    assert outcome.returncode == 2, outcome.stderr
    assert "was not written" in outcome.stdout and "No space left" in outcome.stdout
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("pretrain: the checkpoint of step 60 was not written ")
    assert complete_checkpoints(run / "checkpoints")
    filler.unlink()
    again = run_alone(command)
    assert again.returncode == 0, again.stderr
    assert [line["step"] for line in log_of(run)] == list(range(1, 61))


@pytest.mark.soak
@pytest.mark.parametrize("world_size", [1, 2])
def test_a_run_at_a_limit_of_file_sizes_ends_with_one_line_and_resumes(
    operations: Path, tmp_path: Path, together: Callable, world_size: int
) -> None:
    command = words(operations, tmp_path / "run", "log.images_every_steps=2")
    code = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))\n"
        "sys.argv[0] = 'pretrain'\n"
        "runpy.run_module('pretrain', run_name='__main__')\n"
    )
    outcomes = together(["-c", code, *command], world_size)
    assert [outcome.returncode for outcome in outcomes] == [2] * world_size
    errors = "".join(outcome.stderr for outcome in outcomes)
    assert errors.count("\n") == 1, errors
    assert errors.startswith("pretrain: the checkpoint of step 6 was not written (")
    assert "File too large" in errors and "ulimit -f, and run the same command again" in errors
    again = run_alone(command)
    assert again.returncode == 0, again.stderr
    assert [line["step"] for line in log_of(tmp_path / "run")] == list(range(1, 7))


def test_training_needs_no_room_in_shared_memory(
    operations: Path, tmp_path: Path, together: Callable, small_disk: Callable[[int], Path]
) -> None:
    """A container has 64 MB of /dev/shm; here it is full but for the locks of the queues."""
    disk = small_disk(1)
    fill(disk, leaving=64 * 1024)
    code = (
        "import ctypes, runpy, sys\n"
        "NEWNS, PRIVATE, RECURSIVE, BIND = 0x20000, 1 << 18, 1 << 14, 1 << 12\n"
        "libc = ctypes.CDLL(None)\n"
        "assert not libc.unshare(NEWNS)\n"
        "assert not libc.mount(None, b'/', None, RECURSIVE | PRIVATE, None)\n"
        f"assert not libc.mount({str(disk).encode()!r}, b'/dev/shm', None, BIND, None)\n"
        "sys.argv[0] = 'pretrain'\n"
        "runpy.run_module('pretrain', run_name='__main__')\n"
    )
    command = words(operations, tmp_path / "run", "data.workers=2")
    (outcome,) = together(["-c", code, *command], 1)
    assert outcome.returncode == 0, outcome.stderr
    line = "loading: 2 workers of each process fill 6 micro-batches, 0.00 GiB of shared memory"
    assert line in outcome.stdout
