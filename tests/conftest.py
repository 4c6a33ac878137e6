"""Shared means of the tests: types checked in every call, and processes that run together."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook(
    ["masking", "video", "encoder", "launch", "pretrain", "finetune"], "typecheck.check"
)

# what tests find out about recordings is not kept for the user's runs
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-")

ROOT = Path(__file__).parent.parent
Outcome = subprocess.CompletedProcess[str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launcher_free_environment() -> dict[str, str]:
    """The environment without what a launcher around the tests may have set."""
    foreign = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_", "TORCHELASTIC_", "MASTER_")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}


def start_together(command: Sequence[str], world_size: int) -> list["subprocess.Popen[str]"]:
    """Starts a command in several processes of one group, as a launcher would, one a rank."""
    port = str(free_port())
    started = []
    for rank in range(world_size):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        threads = {"LOCAL_WORLD_SIZE": str(world_size), "OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**launcher_free_environment(), **ranks, **address, **threads},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def kill_all(started: Sequence["subprocess.Popen[str]"]) -> None:
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def together() -> Callable[..., list[Outcome]]:
    """Runs a command in several processes of one group; one outcome a rank."""

    def run(command: Sequence[str], world_size: int, timeout: float = 240) -> list[Outcome]:
        started = start_together(command, world_size)
        outcomes = []
        for process in started:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                kill_all(started)
                raise
            outcomes.append(Outcome(process.args, process.returncode, out, err))
        return outcomes

    return run


@pytest.fixture(scope="session")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two short synthetic recordings."""
    from video.synthetic import synthesize  # after the import hook above

    folder = tmp_path_factory.mktemp("operations")
    synthesize(folder, 2, seconds=6, size=72, seed=0)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of some MiB; the test is skipped where that is not allowed."""
    folder = tmp_path / "disk"

    def make(mebibytes: int) -> Path:
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no right to mount a small file system")
        return folder

    yield make
    subprocess.run(["umount", str(folder)], capture_output=True)


def fill(disk: Path, leaving: int) -> Path:
    """A file that leaves so many bytes of a file system; removing it makes room again."""
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - leaving)))
    return filler
