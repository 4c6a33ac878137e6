"""A stage's processes: their output, their status, and the signals that reach them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launch.distributed.signals import Stopped
from launch.progressive.launchers import LaunchCommand
from launch.progressive.locks import CHAIN_LOCK, RECORDS_LOCK, chain_lock, is_locked, stage_lock
from launch.progressive.log_writer import HELD_BYTES, LogWriter
from launch.progressive.signals import SignalForwarder, forward_signals
from launch.progressive.subprocess_log import run_logged, wait_for_orphaned_stage
from launch.progressive.yaml_lines import ChainError
from tests.conftest import fill

LISTENS = """
import signal, sys, time
def on_signal(number, frame):
    print("heard", signal.Signals(number).name, flush=True)
    sys.exit(75)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, on_signal)
print("ready", flush=True)
time.sleep(60)
"""
DEAF = "import time; print('ready', flush=True); time.sleep(60)"
# as deepspeed starts processes: two launchers, which end their children when they are signalled
LAUNCHER = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit(1)))
sys.exit(child.wait())
"""


@pytest.fixture
def relay() -> Iterator[SignalForwarder]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    with forward_signals() as relay:
        yield relay
    signal.signal(signal.SIGHUP, before)


def run(log: Path, relay: SignalForwarder, *words: str, levels: int = 0) -> int:
    launch = LaunchCommand([sys.executable, "-c", *words], 1, levels)
    return run_logged(launch, log, relay, lambda leader: None, print)


def signal_when(ready: Callable[[], bool], number: signal.Signals) -> threading.Thread:
    """Signals this process, which stands for the chain, as soon as something is there."""

    def wait() -> None:
        while not ready():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def holds(log: Path, text: str) -> Callable[[], bool]:
    return lambda: log.is_file() and text in log.read_text()


def test_output_passes_through_and_is_kept(
    tmp_path: Path, relay: SignalForwarder, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = tmp_path / "a.log"
    code = "import sys; print('to both'); sys.stdout.flush(); sys.stderr.write('ä'); sys.exit(3)"
    assert run(log, relay, code) == 3
    assert run(log, relay, "print(input())") == 1  # nobody types in a batch job
    shown = capfdbinary.readouterr().out.decode().splitlines()
    first, *kept = log.read_text().splitlines()
    assert kept[:3] == ["to both", "ä", kept[2]] and kept[2].endswith("-c 'print(input())'")
    assert first.startswith("# 2") and first.endswith("sys.exit(3)'")
    assert shown == ["to both", "ä" + kept[3], *kept[4:]] and "EOFError" in kept[-1]


@pytest.mark.parametrize(
    ("code", "status"), [("pass", 0), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_a_status_is_that_of_the_program(
    tmp_path: Path, relay: SignalForwarder, code: str, status: int
) -> None:
    assert run(tmp_path / "a.log", relay, code) == status


def test_what_cannot_be_started_is_told(tmp_path: Path, relay: SignalForwarder) -> None:
    with pytest.raises(ChainError, match="absent: cannot be started"):
        launch = LaunchCommand([str(tmp_path / "absent")], 1)
        run_logged(launch, tmp_path / "a.log", relay, lambda leader: None, print)


def test_a_stage_outlives_a_full_disk_and_its_output_is_kept(
    small_disk: Callable[[int], Path], relay: SignalForwarder
) -> None:
    disk = small_disk(1)
    filler = fill(disk, leaving=4096)
    code = "import time\nfor i in range(400): print(f'line {i:03} ' + 90 * 'x'); time.sleep(0.002)"
    log = disk / "a.log"
    log.touch()
    threading.Timer(1.5, filler.unlink).start()
    assert run(log, relay, code) == 0
    lines = log.read_text().splitlines()[2:]
    assert [line[:8] for line in lines] == [f"line {i:03}" for i in range(400)]


def test_output_that_never_finds_room_is_counted() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # a pipe is a disk that is full after 64 KiB
    keeper = LogWriter(writing)
    sent = 3 * HELD_BYTES
    for _ in range(3):
        keeper.add(HELD_BYTES * b"x")
    kept = b""
    while not keeper.write() or b"disk" not in kept:
        kept += os.read(reading, HELD_BYTES)
    output, _, told = kept.partition(b"\n# ")
    assert told == b"%d bytes found no room on the disk\n" % (sent - len(output))
    assert set(output) == {ord("x")} and HELD_BYTES < len(output) < sent
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("sent", "heard"),
    [("SIGTERM", "SIGTERM"), ("SIGUSR1", "SIGUSR1"), ("SIGINT", "SIGINT"), ("SIGHUP", "SIGTERM")],
)
def test_signals_are_handed_on_and_the_chain_waits(
    tmp_path: Path, relay: SignalForwarder, sent: str, heard: str
) -> None:
    log = tmp_path / "a.log"
    thread = signal_when(holds(log, "\nready\n"), signal.Signals[sent])
    assert run(log, relay, LISTENS) == 75
    thread.join()
    assert log.read_text().endswith(f"ready\nheard {heard}\n")
    with pytest.raises(Stopped, match=r"stopped by SIG\w+ before b; the same command goes on"):
        relay.require_unasked("before b")


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 75), ("SIGINT", 130)])
def test_a_program_that_does_not_listen_was_stopped_too(
    tmp_path: Path, relay: SignalForwarder, name: str, status: int
) -> None:
    thread = signal_when(holds(tmp_path / "a.log", "\nready\n"), signal.Signals[name])
    assert run(tmp_path / "a.log", relay, DEAF) == status
    thread.join()


def test_below_launchers_only_the_program_is_signalled(
    tmp_path: Path, relay: SignalForwarder
) -> None:
    log = tmp_path / "a.log"
    thread = signal_when(holds(log, "\nready\n"), signal.SIGTERM)
    assert run(log, relay, LAUNCHER, LAUNCHER, LISTENS, levels=2) == 75
    thread.join()
    assert "heard SIGTERM" in log.read_text()


def test_a_stage_ends_when_the_last_of_its_processes_does(
    tmp_path: Path, relay: SignalForwarder
) -> None:
    log = tmp_path / "a.log"
    slow = "import time; time.sleep(1); print('last', flush=True)"
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"
    assert run(log, relay, code, slow) == 0
    assert log.read_text().endswith("last\n")


def start_stranger(log: Path, *words: str) -> "subprocess.Popen[bytes]":
    """A stage whose chain was killed."""
    chain = f"""
import os, sys
from pathlib import Path
from launch.progressive.launchers import LaunchCommand
from launch.progressive.subprocess_log import run_logged
from launch.progressive.signals import SignalForwarder
launch = LaunchCommand([sys.executable, "-c", *sys.argv[1:]], 1)
show = lambda leader: print(leader, flush=True)
run_logged(launch, Path({str(log)!r}), SignalForwarder(), show, print)
"""
    started = subprocess.Popen([sys.executable, "-c", chain, *words], stdout=subprocess.PIPE)
    while not holds(log, "\nready\n")():
        time.sleep(0.01)
    return started


def test_a_stage_without_its_chain_is_waited_for_and_can_be_stopped(
    tmp_path: Path, relay: SignalForwarder
) -> None:
    log = tmp_path / "a.log"
    killed = start_stranger(log, LISTENS)
    killed.kill()
    out, _ = killed.communicate()
    leader = int(out.split()[0])
    assert is_locked(log)
    thread = signal_when(lambda: True, signal.SIGUSR1)
    wait_for_orphaned_stage(log, leader, 0, relay)
    thread.join()
    assert not is_locked(log) and log.read_text().endswith("heard SIGUSR1\n")


def test_below_a_launcher_without_its_chain_only_the_program_is_signalled(
    tmp_path: Path, relay: SignalForwarder
) -> None:
    log = tmp_path / "a.log"
    saves = LISTENS.replace('print("heard', 'time.sleep(1); print("heard')
    killed = start_stranger(log, LAUNCHER, saves)
    killed.kill()
    out, _ = killed.communicate()
    thread = signal_when(lambda: True, signal.SIGTERM)
    wait_for_orphaned_stage(log, int(out.split()[0]), 1, relay)
    thread.join()
    assert log.read_text().endswith("heard SIGTERM\n")


def test_two_chains_and_two_jobs_of_a_stage_keep_out_of_each_others_way(tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    with chain_lock(folder):
        for held in (chain_lock(folder), stage_lock(folder, "a")):
            with pytest.raises(ChainError, match=rf"{folder} is in use by process {os.getpid()} "):
                held.__enter__()
    with stage_lock(folder, "a"), stage_lock(folder, "b"):
        for held in (chain_lock(folder), stage_lock(folder, "a")):
            with pytest.raises(ChainError, match="is in use by"):
                held.__enter__()
    with chain_lock(folder):
        pass


@pytest.mark.parametrize("name", ["chain", "records"])
def test_a_stages_lock_is_no_other_lock_whatever_its_name(tmp_path: Path, name: str) -> None:
    with stage_lock(tmp_path, name):
        assert is_locked(tmp_path / CHAIN_LOCK) and not is_locked(tmp_path / RECORDS_LOCK)
