"""Reads the probe clips in a background process while the run starts."""

import multiprocessing
import os
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from mmap import mmap
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any

import torch

from launch.distributed.process_group import Processes
from launch.distributed.signals import ignore_interrupts
from pretrain.monitoring.probe_clips import ProbeClips
from pretrain.monitoring.read_clips import ClipShare, read_clips, read_share
from video.worker_processes import Event, Job, end_with_parent

FORK = multiprocessing.get_context("fork")
NICENESS = 10  # of reading while the run does not wait for it


class BackgroundReader:
    """Reads this rank's share of the probe clips in a process of its own, from construction on.

    That process starts another one for each recording.
    """

    def __init__(
        self,
        clips: ProbeClips,
        processes: Processes,
        size: tuple[int, int],
        workers: int,
        timeout: float,
    ) -> None:
        self._connection, sender = FORK.Pipe(duplex=False)
        self._is_urgent = mmap(-1, 1)  # one byte, shared with the forked processes
        request = (clips, processes, size, workers, timeout)
        self._process = FORK.Process(
            target=_read, args=(os.getpid(), sender, self._connection, self._is_urgent, *request)
        )
        self._process.start()
        sender.close()
        # also at exit, where Python joins the process, which may be waiting for `share`
        self.close = Finalize(self, _end, (self._process, self._connection), exitpriority=0)

    def is_ready(self, seconds: float) -> bool:
        """Whether reading ends within some seconds, from now on with full priority."""
        self._is_urgent[0] = True
        return self._connection.poll(seconds)

    def share(self) -> ClipShare:
        """Waits for the clips; call it once. Raises RuntimeError where reading failed."""
        self._is_urgent[0] = True
        try:
            message = self._connection.recv()
            if isinstance(message, str):
                raise RuntimeError(f"reading the probe clips failed:\n{message}")
            shape, numbers, failures = message
            clips = torch.zeros(shape, dtype=torch.uint8)
            for row in range(len(numbers)):
                self._connection.recv_bytes_into(clips[row].numpy().reshape(-1))
        except EOFError:
            self._process.join()
            raise RuntimeError(
                "the process that reads the probe clips ended with exit code "
                f"{self._process.exitcode}"
            ) from None
        self.close()
        return ClipShare(clips, numbers, failures)


def _read(
    forked_by: int,
    connection: Connection,
    receiver: Connection,
    is_urgent: mmap,
    clips: ProbeClips,
    processes: Processes,
    size: tuple[int, int],
    workers: int,
    timeout: float,
) -> None:
    """The background process: sends the share, or a traceback as text."""
    receiver.close()
    end_with_parent(forked_by)
    ignore_interrupts()
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    try:
        share = read_share(
            clips, processes, size, workers, timeout, _silent, partial(_read_politely, is_urgent)
        )
    except Exception:
        connection.send(traceback.format_exc())
        return
    connection.send((share.clips.shape, share.numbers, share.failures))
    for clip in share.clips[: len(share.numbers)]:
        connection.send_bytes(clip.numpy().reshape(-1))


def _read_politely(is_urgent: mmap, *arguments: Any) -> list[object]:
    """In the process of a recording: leaves the cores to the run unless it waits."""
    if not is_urgent[0]:
        os.nice(NICENESS)
    return read_clips(*arguments)


def _silent(events: Iterator[Event], jobs: Sequence[Job], what: str) -> Iterator[Event]:
    """A progress display that prints nothing, since the run prints its own lines."""
    return (event for event in events if event.outcome is not None)


def _end(process: BaseProcess, connection: Connection) -> None:
    if process.is_alive():
        process.kill()
    process.join()
    connection.close()
