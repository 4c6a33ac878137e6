"""`python -m pretrain` as a program beside this process, which may be stopped or killed."""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu.figure import Setting
from benchmarks.gpu.pretrain_run import load, train_here
from benchmarks.gpu.subprocess_call import redirect_output, start_context
from launch.entrypoint import exit_process, run_program
from pretrain.loop import PretrainRun, train

POLL_SECONDS = 0.02


class Program(NamedTuple):
    """A program that has been started."""

    process: Any
    output: Path

    def kill(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def status(self) -> int:
        """Waits for its end."""
        self.process.join()
        return int(self.process.exitcode)


class NotReached(RuntimeError):
    """A program ended before it did what it was waited for."""


def start_program(
    setting: Setting,
    name: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    training: Callable[[PretrainRun], None] = train,
) -> Program:
    """Starts a pretraining run; its output goes to a file in the folder of the check.

    `training` is called in place of its training loop.
    """
    output = setting.folder / f"{name}.txt"
    context: Any = multiprocessing.get_context(start_context(setting))
    with _set(environment):
        process = context.Process(target=_run, args=(list(words), output, training))
        process.start()
    return Program(process, output)


def rank_environment(rank: int, world_size: int, port: int) -> dict[str, str]:
    """What a launcher sets."""
    ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return {**ranks, **address, "LOCAL_WORLD_SIZE": str(world_size)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(happens: Callable[[], bool], *programs: Program) -> float:
    """Seconds until a condition holds; raises NotReached where a program ends before."""
    began = time.monotonic()
    while not happens():
        for program in programs:
            if not program.process.is_alive() and not happens():
                last = program.output.read_text().strip().splitlines()[-1:]
                raise NotReached(f"{program.output.stem} ended: {''.join(last)}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began


def _run(words: list[str], output: Path, training: Callable[[PretrainRun], None]) -> None:
    redirect_output(output)
    exit_process(run_program("pretrain", lambda: train_here(load(words), training)))


@contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    """For the process that the body starts."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
