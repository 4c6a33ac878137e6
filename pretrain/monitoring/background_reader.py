"""Reading the clips of a run's looks beside what the run does meanwhile."""

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
POLITENESS = 10  # added to the niceness of what reads while nobody waits for it


class BackgroundReader:
    """A share that a process of its own reads, with one more for each recording.

    It begins at once, so that this process can meanwhile do something else.
    """

    def __init__(
        self,
        moments: ProbeClips,
        processes: Processes,
        size: tuple[int, int],
        workers: int,
        patience: float,
    ) -> None:
        self._connection, theirs = FORK.Pipe(duplex=False)
        self._asked = mmap(-1, 1)  # a byte that copies of this process see as well
        wanted = (moments, processes, size, workers, patience)
        self._process = FORK.Process(
            target=_read_beside, args=(theirs, self._connection, self._asked, *wanted)
        )
        self._process.start()
        theirs.close()
        # at the program's end as well: it is waited for there, and may itself wait for `share`
        self.close = Finalize(self, _end, (self._process, self._connection), exitpriority=0)

    def share(self) -> ClipShare:
        """Waits until all is read; to be called once. Raises RuntimeError where that failed."""
        self._asked[0] = True
        try:
            told = self._connection.recv()
            if isinstance(told, str):
                raise RuntimeError(f"while reading the clips that are looked at:\n{told}")
            shape, numbers, failures = told
            clips = torch.zeros(shape, dtype=torch.uint8)
            for place in range(len(numbers)):
                self._connection.recv_bytes_into(clips[place].numpy().reshape(-1))
        except EOFError:
            self._process.join()
            raise RuntimeError(
                "the process that reads the clips that are looked at ended with exit code "
                f"{self._process.exitcode}"
            ) from None
        self.close()
        return ClipShare(clips, numbers, failures)


def _read_beside(
    connection: Connection,
    theirs: Connection,
    asked: mmap,
    moments: ProbeClips,
    processes: Processes,
    size: tuple[int, int],
    workers: int,
    patience: float,
) -> None:
    theirs.close()
    end_with_parent()
    ignore_interrupts()
    torch.set_num_threads(1)  # those of the process that this one was copied from are not here
    try:
        share = read_share(
            moments, processes, size, workers, patience, _outcomes, partial(_read, asked)
        )
    except Exception:
        connection.send(traceback.format_exc())
        return
    connection.send((share.clips.shape, share.numbers, share.failures))
    for clip in share.clips[: len(share.numbers)]:
        connection.send_bytes(clip.numpy().reshape(-1))


def _read(asked: mmap, *arguments: Any) -> list[object]:
    if not asked[0]:
        os.nice(POLITENESS)  # the program starts on the same cores
    return read_clips(*arguments)


def _outcomes(events: Iterator[Event], jobs: Sequence[Job], what: str) -> Iterator[Event]:
    """Shows nothing, for the program itself has a line to fill meanwhile."""
    return (event for event in events if event.outcome is not None)


def _end(process: BaseProcess, connection: Connection) -> None:
    if process.is_alive():
        process.kill()
    process.join()
    connection.close()
