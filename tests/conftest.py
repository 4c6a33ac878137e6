"""Fixtures and helpers of all tests: runtime type checks, groups of processes, small recordings."""

import io
import itertools
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import install_import_hook

from tests.fork_server import ForkServer, Program

install_import_hook(
    ["masking", "video", "encoder", "launch", "pretrain", "finetune"], "typecheck.check"
)

# before torch is imported, and for the programs that tests start: several processes share the
# cores, and OpenMP threads that wait for each other take most of the time
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a test has no GPU unless it is marked gpu: several processes would share one, and losses in bf16
# are others
os.environ["DS_ACCELERATOR"] = "cpu"

# the tests must not write into the user's cache of verified recordings
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-")

ROOT = Path(__file__).parent.parent
UMASK = 0o002  # of runs: a group works in their folders
HANG_LIMIT = 600  # seconds; only a hang takes so long, also on a machine with a high load
Outcome = subprocess.CompletedProcess[str]


def call_program(name: str, main: Callable[[], int | None]) -> Outcome:
    """Runs a program in the process of the tests, which saves the import of torch."""
    from launch.entrypoint import run_program  # after the import hook above

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = run_program(name, main)
        except SystemExit as end:  # argparse
            status = int(end.code or 0)
    return Outcome([name], status, out.getvalue(), err.getvalue())


def modes_against_umask(folder: Path) -> dict[str, str]:
    """The modes of all files and folders that do not follow UMASK, in octal digits."""
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    return {
        str(path.relative_to(folder)): f"{mode:o}"
        for path, mode in found.items()
        if mode != (0o777 if path.is_dir() else 0o666) & ~UMASK
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launcher_free_environment() -> dict[str, str]:
    """The environment without the variables of a launcher that may have started the tests."""
    foreign = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_", "TORCHELASTIC_", "MASTER_")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}


Started = subprocess.Popen[str] | Program
AT_START = ("PYTHONHASHSEED", "OMP_", "LD_")  # what a process reads before any of our modules


def start_python(
    words: Sequence[str],
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    umask: int = -1,
) -> Started:
    """Starts `python WORDS`: as a fork that has its imports, or as a new process if that differs.

    `environment` is added to that of the tests. PYTHONHASHSEED in it asks for a new process.
    """
    variables = {**launcher_free_environment(), **(environment or {})}
    wanted, given = (
        {name: value for name, value in each.items() if name.startswith(AT_START)}
        for each in (variables, os.environ)
    )
    if wanted == given and not any(Path("/dev").glob("nvidia*")):  # a fork cannot use the device
        return next(_fork_servers()).start(words, folder, variables, umask)
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        umask=umask,
    )


@cache
def _fork_servers() -> Iterator[ForkServer]:
    """Two servers in turn, so that the ranks of a run have different seeds of hashes."""
    environment = launcher_free_environment()
    environment.pop("PYTHONPATH", None)  # a program adds its own
    return itertools.cycle(ForkServer(ROOT, environment) for _ in range(2))


def outcome_of(started: Started) -> Outcome:
    """Waits for a program."""
    try:
        out, err = started.communicate(timeout=HANG_LIMIT)
    except subprocess.TimeoutExpired:
        kill_all([started])
        raise
    return Outcome(started.args, started.returncode or 0, out, err)


def run_python(*words: str) -> list[str]:
    """Runs a Python program that must succeed, in a process of its own; the lines it prints."""
    done = outcome_of(start_python(words))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def start_together(command: Sequence[str], world_size: int) -> list[Started]:
    """Starts a command once for each rank, with the environment that a launcher would set."""
    port = str(free_port())
    started = []
    for rank in range(world_size):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        threads = {"LOCAL_WORLD_SIZE": str(world_size), "OMP_NUM_THREADS": "1"}
        environment = {**ranks, **address, **threads}
        started.append(start_python(command, environment=environment))
    return started


def kill_all(started: Sequence[Started]) -> list[tuple[Any, Any]]:
    """Kills processes; returns the standard output and error of each."""
    for process in started:
        process.kill()
    return [process.communicate() for process in started]


def wait_until(happens: Callable[[], bool], *started: Started) -> None:
    """Polls a condition; kills the processes and fails if one ends first, or after HANG_LIMIT."""
    deadline = time.monotonic() + HANG_LIMIT
    while not happens():
        ended = any(process.poll() is not None for process in started)
        if (ended and not happens()) or time.monotonic() > deadline:
            raise AssertionError(f"it did not happen; the processes wrote {kill_all(started)}")
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def show_gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the tests that are marked gpu."""
    if request.node.get_closest_marker("gpu"):
        monkeypatch.delenv("DS_ACCELERATOR")


@pytest.fixture(scope="session")
def together() -> Callable[..., list[Outcome]]:
    """Runs a command once for each rank, in one process group; returns an outcome for each rank."""

    def run(command: Sequence[str], world_size: int) -> list[Outcome]:
        started = start_together(command, world_size)
        try:
            return [outcome_of(process) for process in started]
        except subprocess.TimeoutExpired:
            kill_all(started)
            raise

    return run


@pytest.fixture(scope="session")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two short synthetic recordings."""
    from video.synthetic import synthesize  # after the import hook above

    folder = tmp_path_factory.mktemp("operations")
    synthesize(folder, 2, seconds=6, size=72, seed=0)
    return folder


@pytest.fixture(scope="session")
def two_recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two synthetic operations of 8 seconds, with a key frame every second."""
    import numpy as np

    from video.encode import AS_RECORDED, write_h264  # after the import hook above
    from video.synthetic import Scene, draw_phases

    folder = tmp_path_factory.mktemp("two")
    files = []
    for seed in (3, 4):
        rng = np.random.default_rng(seed)
        phases = draw_phases(200, rng)
        scene = Scene(72, 96, rng)
        frames = ((n / 25, pixels) for n, pixels in enumerate(scene.render(phases)))
        files.append(folder / f"operation{seed}.mp4")
        write_h264(files[-1], frames, 25, AS_RECORDED | {"g": "25"})
    return files[0], files[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of some MiB; skips the test if the user may not mount."""
    folder = tmp_path / "disk"

    def make(mebibytes: int) -> Path:
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("this user may not mount a file system")
        return folder

    yield make
    subprocess.run(["umount", str(folder)], capture_output=True)


def fill(disk: Path, leaving: int) -> Path:
    """Fills a file system up to the bytes that `leaving` says; returns the file that fills it."""
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - leaving)))
    return filler
