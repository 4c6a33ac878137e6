"""Notices processes of a run that died or stalled, so that the others do not wait for ever."""

import faulthandler
import json
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
from launch.distributed.process_group import Processes, barrier, gather_objects
from launch.distributed.stack_dump import format_stack_dump, main_thread_stack
from launch.entrypoint import exit_process

HEARTBEAT_SECONDS = 1.0
SUSPICIOUS_SECONDS = 5.0  # of silence are enough once a process has lost its connection
LAST_WORDS_SECONDS = 2.0  # for the process that failed to say why
ANSWER_SECONDS = 3.0  # for the others to say where they are
CONNECTION_LOST = ("gloo", "NCCL", "Connection reset", "Connection closed")


class Watchdog:
    """A thread of each process that beats, listens for failures and watches for stalls.

    What it knows goes through the key-value store at which the processes met, on a connection of
    its own, so a collective that hangs does not hold it up. Each process watches the next one.
    """

    def __init__(self, processes: Processes, config: EngineConfig) -> None:
        self._rank, self._world_size = processes.rank, processes.world_size
        self._stall_seconds, self._lost_seconds = config.hang_timeout, config.heartbeat_timeout
        self._where, self._since = "start", time.monotonic()
        self._asked_at: float | None = None  # of a stall; 0 once it was told
        self._question, self._answered = 0, ""
        self._next = (self._rank + 1) % self._world_size
        self._heard, self._heard_at = b"", time.monotonic()
        self._over = threading.Event()
        self._store: Any = None
        if self._world_size > 1:
            host, _, port = processes.address.rpartition(":")
            patience = timedelta(seconds=config.heartbeat_timeout)
            store = dist.TCPStore(host, int(port), is_master=False, timeout=patience)
            self._store = dist.PrefixStore("watchdog", store)
            self._send_heartbeats()
        self.hosts: list[str] = gather_objects(platform.node())
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def set_status(self, where: str) -> float:
        """Says what the process does from now on; returns the seconds since the last call."""
        now, before = time.monotonic(), self._since
        self._where, self._since = where, now
        return now - before

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)

    def report_failure(self, error: BaseException) -> None:
        """Tells the others that this process fails with `error`.

        Where that only says that another one is gone, waits until the thread has found out which,
        and with that ended the process.
        """
        if self._store is None or getattr(error, "on_every_process", False):
            return
        try:
            if _tells_of_another(error):
                self._store.set("suspicion", "yes")
                time.sleep(2 * SUSPICIOUS_SECONDS)
            self._announce(getattr(error, "exit_status", 1))
            if self._rank == 0:  # the store may end with this process; let the others hear it
                time.sleep(2 * HEARTBEAT_SECONDS)
        except dist.DistError:
            pass  # the store is gone, as the thread will say

    def _run(self) -> None:
        alone = self._store is None
        # native code that holds the interpreter, or a store that hangs, stop this thread as well;
        # then a signal shows the stacks, and ends the process where others wait for it
        faulthandler.register(signal.SIGALRM, sys.__stderr__ or 2, chain=not alone)
        limit = self._stall_seconds if alone else self._lost_seconds
        try:
            signal.setitimer(signal.ITIMER_REAL, limit)
            while not self._over.wait(HEARTBEAT_SECONDS):
                signal.setitimer(signal.ITIMER_REAL, limit)
                if not alone:
                    self._send_heartbeats()
                    self._listen()
                    self._watch_next()
                    self._answer()
                if self._rank == 0:
                    self._watch_stall()
        except dist.DistError:
            self._end("rank 0, at which all meet, is gone")

    def _send_heartbeats(self) -> None:
        self._store.set(f"beat/{self._rank}", repr(time.monotonic()))

    def _listen(self) -> None:
        if self._store.check(["failed"]):
            failure = json.loads(self._store.get("failed"))
            if failure["rank"] != self._rank:
                time.sleep(LAST_WORDS_SECONDS)
                exit_process(failure["status"])

    def _watch_next(self) -> None:
        now, beat = time.monotonic(), self._store.get(f"beat/{self._next}")
        if beat != self._heard:
            self._heard, self._heard_at = beat, now
        suspicious = self._store.check(["suspicion"])
        limit = min(SUSPICIOUS_SECONDS, self._lost_seconds) if suspicious else self._lost_seconds
        if now - self._heard_at > limit and self._announce(1):
            self._end(
                f"rank {self._next} on {self.hosts[self._next]} has not been heard of for "
                f"{now - self._heard_at:.0f} s; it was killed, or its machine is gone"
            )

    def _announce(self, status: int) -> bool:
        """Whether this process is the first of all to tell of a failure."""
        mine = json.dumps({"rank": self._rank, "status": status})
        return bool(self._store.compare_set("failed", "", mine).decode() == mine)

    def _end(self, reason: str) -> None:
        if not self._over.is_set():
            sys.stderr.write(f"rank {self._rank} of {self._world_size}: {reason}\n")
            exit_process(1)

    def _watch_stall(self) -> None:
        """Asks all where they are when the first process waits too long, and tells it once."""
        seconds = time.monotonic() - self._since
        if seconds <= self._stall_seconds:
            self._asked_at = None
        elif self._asked_at is None:
            self._asked_at, self._question = time.monotonic(), self._question + 1
            if self._store is not None:
                self._store.set("question", str(self._question))
        elif self._asked_at and time.monotonic() - self._asked_at > ANSWER_SECONDS:
            self._asked_at = 0.0
            sys.stderr.write(format_stack_dump(self._answers(), self.hosts, round(seconds)))
            sys.stderr.flush()

    def _answer(self) -> None:
        if not self._store.check(["question"]):
            return
        question = self._store.get("question").decode()
        if question != self._answered:
            self._answered = question
            self._store.set(f"answer/{question}/{self._rank}", json.dumps(self._account()))

    def _account(self) -> tuple[str, str]:
        seconds = time.monotonic() - self._since
        return f"{self._where} for {seconds:.0f} s", main_thread_stack()

    def _answers(self) -> dict[int, tuple[str, str]]:
        answers = {0: self._account()}
        for rank in range(1, self._world_size):
            key = f"answer/{self._question}/{rank}"
            if self._store.check([key]):
                where, stack = json.loads(self._store.get(key))
                answers[rank] = (where, stack)
        return answers


@contextmanager
def start_watchdog(processes: Processes, config: EngineConfig) -> Iterator[Watchdog]:
    """Runs the body under a watchdog; every process of a run comes here."""
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


def _tells_of_another(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and (
        isinstance(error, dist.DistError) or any(word in str(error) for word in CONNECTION_LOST)
    )
