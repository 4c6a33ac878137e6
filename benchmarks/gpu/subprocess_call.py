"""Calls in processes of their own: DeepSpeed takes part in one process group in its life."""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.gpu.figure import Setting


class CallFailed(RuntimeError):
    """A call raised or crashed; its traceback is in the output of the check."""


def start_context(setting: Setting) -> str:
    """How a process starts: CUDA cannot be used in a fork of a process that has asked for it."""
    return "fork" if setting.is_dry else "spawn"


def run_apart(setting: Setting, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of calls that run at the same time; calls and results can be pickled."""
    context: Any = multiprocessing.get_context(start_context(setting))
    started = []
    for call in calls:
        connection, other = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(call, other))
        process.start()
        other.close()
        started.append((process, connection))
    return [_result(process, connection) for process, connection in started]


def run_alone(setting: Setting, function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of one call."""
    (result,) = run_apart(setting, [partial(function, *arguments)])
    return result


def redirect_output(file: Path) -> None:
    """Sends all that this process and native code print to a file."""
    output = file.open("w", buffering=1)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    sys.stdout = sys.stderr = output


def _answer(call: Callable[[], Any], connection: Connection) -> None:
    try:
        connection.send((call(), ""))
    except BaseException as error:
        traceback.print_exc()
        connection.send((None, f"{type(error).__name__}: {error}"))
    os._exit(0)


def _result(process: Any, connection: Connection) -> Any:
    try:
        result, problem = connection.recv()
    except EOFError:
        process.join()
        raise CallFailed(f"a process ended with status {process.exitcode}") from None
    process.join()
    if problem:
        raise CallFailed(problem)
    return result
