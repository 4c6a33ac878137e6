"""Detects dead and stalled processes of a run, so that the others do not wait for ever."""

import faulthandler
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from launch.config import EngineConfig
from launch.distributed.launcher_processes import LauncherProcesses
from launch.distributed.process_group import Processes, barrier, gather_objects
from launch.distributed.stack_dump import format_stack_dump, main_thread_stack
from launch.entrypoint import exit_process

HEARTBEAT_SECONDS = 1.0
SUSPICION_SECONDS = 5.0  # heartbeat timeout once a process has lost its connection
STORE_SECONDS = 10.0  # after the limit, in which a store that hangs is reported
ERROR_SECONDS = 2.0  # for the failed process to print its error
ANSWER_SECONDS = 3.0  # for the others to send their stacks
CONNECTION_LOST = ("gloo", "NCCL", "Connection reset", "Connection closed")


class Watchdog:
    """A thread of each process that sends heartbeats and detects failures and stalls.

    It communicates through the key-value store of the rendezvous, on its own connection, so a
    collective that hangs does not block it. Each process checks the heartbeat of the next one. A
    second thread notices when the store itself, which rank 0 has, answers no longer.
    """

    def __init__(self, processes: Processes, config: EngineConfig) -> None:
        self._rank, self._world_size = processes.rank, processes.world_size
        self._stall_seconds, self._lost_seconds = config.hang_timeout, config.heartbeat_timeout
        self._status, self._since = "start", time.monotonic()
        self._requested_at: float | None = None  # of the stacks; 0 once they are printed
        self._request, self._answered = 0, ""
        self._next = (self._rank + 1) % self._world_size
        self._last_beat, self._last_beat_at = b"", time.monotonic()
        self._rounds = 0  # of the thread, each with answers of the store
        self._launchers: LauncherProcesses | None = LauncherProcesses()
        self._stopped = threading.Event()
        self._store: Any = None
        if self._world_size > 1:
            host, _, port = processes.address.rpartition(":")
            timeout = timedelta(seconds=config.heartbeat_timeout)
            store = dist.TCPStore(host, int(port), is_master=False, timeout=timeout)
            self._store = dist.PrefixStore("watchdog", store)
            self._send_heartbeats()
        self.hosts: list[str] = gather_objects(platform.node())
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()
        if self._rank > 0:
            threading.Thread(target=self._watch_store, name="store watchdog", daemon=True).start()

    def set_status(self, status: str) -> float:
        """Sets what the process does from now on; returns the seconds since the last call."""
        now, before = time.monotonic(), self._since
        self._status, self._since = status, now
        return now - before

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)

    def report_failure(self, error: BaseException) -> None:
        """Announces to the others that this process fails with `error`.

        If the error only means that another process is gone, waits until the thread has found out
        which one and ended this process.
        """
        if self._store is None or getattr(error, "on_every_process", False):
            return
        try:
            if _is_of_another(error):
                self._store.set("suspicion", "yes")
                time.sleep(2 * SUSPICION_SECONDS)
            self._announce(getattr(error, "exit_status", 1))
            if self._rank == 0:  # the store may end with this process; let the others read it
                time.sleep(2 * HEARTBEAT_SECONDS)
        except dist.DistError:
            pass  # the store is gone; the thread reports it

    def _run(self) -> None:
        alone = self._store is None
        # native code that holds the GIL, or a store that hangs, block this thread too; then SIGALRM
        # prints the stacks, and ends the process if others wait for it
        faulthandler.register(signal.SIGALRM, sys.__stderr__ or 2, chain=not alone)
        limit = self._stall_seconds if alone else self._lost_seconds + STORE_SECONDS
        try:
            signal.setitimer(signal.ITIMER_REAL, limit)
            while not self._stopped.wait(HEARTBEAT_SECONDS):
                signal.setitimer(signal.ITIMER_REAL, limit)
                self._check_launchers()
                if not alone:
                    self._send_heartbeats()
                    self._check_failures()
                    self._check_next()
                    self._send_stack()
                if self._rank == 0:
                    self._check_stall()
                self._rounds += 1
        except dist.DistError:
            if (pid := self._launchers and self._launchers.gone()) is not None:  # torchrun's store
                self._end(f"its launcher (process {pid}) has ended without it")
            self._end(f"rank 0 on {self.hosts[0]}, which has the store, is gone")

    def _watch_store(self) -> None:
        """Ends this process when the thread waits too long for the store.

        It counts its own waits, so time in which this process itself was frozen does not count.
        """
        rounds = waits = 0
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            rounds, waits = self._rounds, (waits + 1 if rounds == self._rounds else 0)
            if waits * HEARTBEAT_SECONDS > self._lost_seconds:
                self._end(
                    f"rank 0 on {self.hosts[0]}, which has the store, has not answered for "
                    f"{waits * HEARTBEAT_SECONDS:.0f} s; it is frozen, or its machine is gone"
                )

    def _check_launchers(self) -> None:
        """Stops the run as the launcher would have done, for nobody else could."""
        pid = self._launchers.gone() if self._launchers else None
        if pid is not None:
            self._launchers = None
            sys.stderr.write(
                f"rank {self._rank} of {self._world_size}: its launcher (process {pid}) has ended "
                "without it; stopping as after SIGTERM\n"
            )
            os.kill(os.getpid(), signal.SIGTERM)

    def _send_heartbeats(self) -> None:
        self._store.set(f"beat/{self._rank}", repr(time.monotonic()))

    def _check_failures(self) -> None:
        if self._store.check(["failed"]):
            failure = json.loads(self._store.get("failed"))
            if failure["rank"] != self._rank:
                time.sleep(ERROR_SECONDS)
                exit_process(failure["status"])

    def _check_next(self) -> None:
        now, beat = time.monotonic(), self._store.get(f"beat/{self._next}")
        if beat != self._last_beat:
            self._last_beat, self._last_beat_at = beat, now
        is_suspected = self._store.check(["suspicion"])
        limit = min(SUSPICION_SECONDS, self._lost_seconds) if is_suspected else self._lost_seconds
        if now - self._last_beat_at > limit and self._announce(1):
            self._end(
                f"rank {self._next} on {self.hosts[self._next]} has sent no heartbeat for "
                f"{now - self._last_beat_at:.0f} s; it was killed, or its machine is gone"
            )

    def _announce(self, status: int) -> bool:
        """Announces a failure; returns whether this process is the first to do so."""
        mine = json.dumps({"rank": self._rank, "status": status})
        return bool(self._store.compare_set("failed", "", mine).decode() == mine)

    def _end(self, reason: str) -> None:
        if not self._stopped.is_set():
            sys.stderr.write(f"rank {self._rank} of {self._world_size}: {reason}\n")
            exit_process(1)

    def _check_stall(self) -> None:
        """Requests all stacks when rank 0 waits too long, and prints them once."""
        seconds = time.monotonic() - self._since
        if seconds <= self._stall_seconds:
            self._requested_at = None
        elif self._requested_at is None:
            self._requested_at, self._request = time.monotonic(), self._request + 1
            if self._store is not None:
                self._store.set("request", str(self._request))
        elif self._requested_at and time.monotonic() - self._requested_at > ANSWER_SECONDS:
            self._requested_at = 0.0
            sys.stderr.write(format_stack_dump(self._answers(), self.hosts, round(seconds)))
            sys.stderr.flush()

    def _send_stack(self) -> None:
        if not self._store.check(["request"]):
            return
        request = self._store.get("request").decode()
        if request != self._answered:
            self._answered = request
            self._store.set(f"answer/{request}/{self._rank}", json.dumps(self._status_and_stack()))

    def _status_and_stack(self) -> tuple[str, str]:
        seconds = time.monotonic() - self._since
        return f"{self._status} for {seconds:.0f} s", main_thread_stack()

    def _answers(self) -> dict[int, tuple[str, str]]:
        answers = {0: self._status_and_stack()}
        for rank in range(1, self._world_size):
            key = f"answer/{self._request}/{rank}"
            if self._store.check([key]):
                status, stack = json.loads(self._store.get(key))
                answers[rank] = (status, stack)
        return answers


@contextmanager
def start_watchdog(processes: Processes, config: EngineConfig) -> Iterator[Watchdog]:
    """Runs the body under a watchdog; every process of a run calls it."""
    watchdog = Watchdog(processes, config)
    try:
        yield watchdog
        watchdog.set_status("waiting for the others to end")
        barrier()
    except BaseException as error:
        watchdog.report_failure(error)
        raise
    finally:
        watchdog.stop()


def _is_of_another(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and (
        isinstance(error, dist.DistError) or any(word in str(error) for word in CONNECTION_LOST)
    )
