"""A stage's processes: their output, exit status, signals, and their end with the chain."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from launch.distributed.signals import Stopped
from launch.progressive.chain import ChainError
from launch.progressive.launchers import LaunchCommand
from launch.progressive.locks import chain_lock, lock_conflict, stage_lock, state_lock
from launch.progressive.signals import SignalForwarder, forward_signals
from launch.progressive.subprocess_log import MAX_WAITING, LogFile, run_logged
from tests.conftest import fill
from tests.launch.progressive.chains import wait_until_ended

HANDLES_SIGNALS = """
import signal, sys, time
def on_signal(number, frame):
    print("received", signal.Signals(number).name, flush=True)
    sys.exit(75)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, on_signal)
print("ready", flush=True)
time.sleep(60)
"""
IGNORES_SIGNALS = "import time; print('ready', flush=True); time.sleep(60)"
# like deepspeed's two launchers, which kill their children when they are signalled
LAUNCHER = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit(1)))
sys.exit(child.wait())
"""


@pytest.fixture
def forwarder() -> Iterator[SignalForwarder]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    with forward_signals() as forwarding:
        yield forwarding
    signal.signal(signal.SIGHUP, before)


def run(log: Path, forwarder: SignalForwarder, *words: str, levels: int = 0) -> int:
    launch = LaunchCommand([sys.executable, "-c", *words], 1, levels)
    return run_logged(launch, log, forwarder, print)


def signal_when(ready: Callable[[], bool], number: signal.Signals) -> threading.Thread:
    """Signals this process, which acts as the chain, as soon as the condition is true."""

    def wait() -> None:
        while not ready():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def contains(log: Path, text: str) -> Callable[[], bool]:
    return lambda: log.is_file() and text in log.read_text()


def test_output_goes_to_the_terminal_and_to_the_log(
    tmp_path: Path, forwarder: SignalForwarder, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = tmp_path / "a.log"
    code = "import sys; print('to both'); sys.stdout.flush(); sys.stderr.write('ä'); sys.exit(3)"
    assert run(log, forwarder, code) == 3
    assert run(log, forwarder, "print(input())") == 1  # stdin is empty
    shown = capfdbinary.readouterr().out.decode().splitlines()
    first, *kept = log.read_text().splitlines()
    assert kept[:3] == ["to both", "ä", kept[2]] and kept[2].endswith("-c 'print(input())'")
    assert first.startswith("# 2") and first.endswith("sys.exit(3)'")
    assert shown == ["to both", "ä" + kept[3], *kept[4:]] and "EOFError" in kept[-1]


@pytest.mark.parametrize(
    ("code", "status"), [("pass", 0), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_a_status_is_that_of_the_program(
    tmp_path: Path, forwarder: SignalForwarder, code: str, status: int
) -> None:
    assert run(tmp_path / "a.log", forwarder, code) == status


def test_a_command_that_is_not_found_is_refused(tmp_path: Path, forwarder: SignalForwarder) -> None:
    with pytest.raises(ChainError, match="absent: cannot be started"):
        launch = LaunchCommand([str(tmp_path / "absent")], 1)
        run_logged(launch, tmp_path / "a.log", forwarder, print)


def test_a_stage_survives_a_full_disk_and_its_output_is_kept(
    small_disk: Callable[[int], Path], forwarder: SignalForwarder
) -> None:
    disk = small_disk(1)
    filler = fill(disk, leaving=4096)
    code = "import time\nfor i in range(400): print(f'line {i:03} ' + 90 * 'x'); time.sleep(0.002)"
    log = disk / "a.log"
    log.touch()
    threading.Timer(1.5, filler.unlink).start()
    assert run(log, forwarder, code) == 0
    lines = log.read_text().splitlines()[2:]
    assert [line[:8] for line in lines] == [f"line {i:03}" for i in range(400)]


def test_output_that_does_not_fit_is_counted() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # a pipe is like a disk that is full after 64 KiB
    with os.fdopen(writing, "wb", buffering=0) as file:
        log = LogFile(file)
        sent = 3 * MAX_WAITING
        for _ in range(3):
            log.write(MAX_WAITING * b"x")
        read = b""
        while not log.write() or b"disk" not in read:
            read += os.read(reading, MAX_WAITING)
    output, _, count = read.partition(b"\n# ")
    assert count == b"%d bytes are missing: disk full\n" % (sent - len(output))
    assert set(output) == {ord("x")} and MAX_WAITING < len(output) < sent
    os.close(reading)


@pytest.mark.parametrize(
    ("sent", "received"),
    [("SIGTERM", "SIGTERM"), ("SIGUSR1", "SIGUSR1"), ("SIGINT", "SIGINT"), ("SIGHUP", "SIGTERM")],
)
def test_signals_are_forwarded_and_the_chain_waits(
    tmp_path: Path, forwarder: SignalForwarder, sent: str, received: str
) -> None:
    log = tmp_path / "a.log"
    thread = signal_when(contains(log, "\nready\n"), signal.Signals[sent])
    assert run(log, forwarder, HANDLES_SIGNALS) == 75
    thread.join()
    assert log.read_text().endswith(f"ready\nreceived {received}\n")
    with pytest.raises(Stopped, match=r"stopped by SIG\w+ before b; run the same command"):
        forwarder.raise_if_stopped("before b")


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 75), ("SIGINT", 130)])
def test_a_program_that_does_not_handle_signals_was_stopped_too(
    tmp_path: Path, forwarder: SignalForwarder, name: str, status: int
) -> None:
    thread = signal_when(contains(tmp_path / "a.log", "\nready\n"), signal.Signals[name])
    assert run(tmp_path / "a.log", forwarder, IGNORES_SIGNALS) == status
    thread.join()


def test_below_launchers_only_the_program_is_signalled(
    tmp_path: Path, forwarder: SignalForwarder
) -> None:
    log = tmp_path / "a.log"
    thread = signal_when(contains(log, "\nready\n"), signal.SIGTERM)
    assert run(log, forwarder, LAUNCHER, LAUNCHER, HANDLES_SIGNALS, levels=2) == 75
    thread.join()
    assert "received SIGTERM" in log.read_text()


def test_a_stage_ends_when_the_last_of_its_processes_does(
    tmp_path: Path, forwarder: SignalForwarder
) -> None:
    log = tmp_path / "a.log"
    slow = "import time; time.sleep(1); print('last', flush=True)"
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"
    assert run(log, forwarder, code, slow) == 0
    assert log.read_text().endswith("last\n")


def start_chain(log: Path, *words: str, levels: int = 0) -> "subprocess.Popen[bytes]":
    """A process that runs a stage, to be killed."""
    code = f"""
import sys
from pathlib import Path
from launch.progressive.launchers import LaunchCommand
from launch.progressive.signals import SignalForwarder
from launch.progressive.subprocess_log import run_logged
launch = LaunchCommand([sys.executable, "-c", *sys.argv[1:]], 1, {levels})
run_logged(launch, Path({str(log)!r}), SignalForwarder(), print)
"""
    started = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    while not contains(log, "\nready\n")():
        time.sleep(0.01)
    return started


def test_a_killed_chain_ends_its_stage_below_launchers(tmp_path: Path) -> None:
    killed = start_chain(tmp_path / "a.log", LAUNCHER, LAUNCHER, HANDLES_SIGNALS, levels=2)
    processes = psutil.Process(killed.pid).children(recursive=True)
    assert len(processes) == 4  # two launchers, the program, and what kills them
    killed.kill()
    killed.wait()
    wait_until_ended(processes)
    assert tmp_path.joinpath("a.log").read_text().endswith("ready\n")  # it was not asked to stop


def test_processes_that_outlive_their_stage_are_killed(
    tmp_path: Path, forwarder: SignalForwarder
) -> None:
    """A process that has closed its output would otherwise hold the run's lock for ever."""
    code = """
import subprocess, sys
quiet = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], **quiet).pid)
"""
    assert run(tmp_path / "a.log", forwarder, code) == 0
    left = int(tmp_path.joinpath("a.log").read_text().split()[-1])
    wait_until_ended([psutil.Process(left)] if psutil.pid_exists(left) else [])


def test_two_chains_or_two_jobs_of_a_stage_exclude_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    with chain_lock(folder):
        assert f"{folder} is in use by process {os.getpid()} " in lock_conflict(folder)
        for lock in (chain_lock(folder), stage_lock(folder, "a")):
            with pytest.raises(ChainError, match=rf"{folder} is in use by process {os.getpid()} "):
                lock.__enter__()
    with stage_lock(folder, "a"), stage_lock(folder, "b"):
        assert lock_conflict(folder)
        for lock in (chain_lock(folder), stage_lock(folder, "a")):
            with pytest.raises(ChainError, match="is in use by"):
                lock.__enter__()
    assert lock_conflict(folder) == lock_conflict(tmp_path / "absent") == ""
    with chain_lock(folder):
        pass


@pytest.mark.parametrize("name", ["chain", "records"])
def test_a_stage_may_have_the_name_of_another_lock(tmp_path: Path, name: str) -> None:
    with stage_lock(tmp_path, name), state_lock(tmp_path), stage_lock(tmp_path, "other"):
        pass
