"""Starts Python programs as forks of a process that has imported torch and deepspeed.

Their import takes about 3 seconds of computing, often more than the work of a test. A program runs
as `python WORDS` would: as `__main__` in a process of its own, with its own environment. Only the
seed of string hashes is common to all programs of a server.
"""

import atexit
import gc
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener, wait
from pathlib import Path
from typing import NamedTuple

OUTPUTS = ("out", "err")


class Request(NamedTuple):
    words: Sequence[str]  # of the command line, after `python`
    folder: Path  # its working folder
    environment: Mapping[str, str]
    umask: int  # -1 leaves it
    outputs: Path  # the folder of the files of standard output and error


class ForkServer:
    """The server, as the tests see it. It ends with the process that made it."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        with Listener(family="AF_UNIX") as listener:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(listener.address)],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
            self._connection = listener.accept()
        atexit.register(self.close)

    def close(self) -> None:
        self._connection.close()
        self._process.wait()

    def start(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], umask: int
    ) -> "Program":
        outputs = tempfile.TemporaryDirectory(prefix="program-")
        request = Request(list(words), folder, dict(environment), umask, Path(outputs.name))
        with Listener(family="AF_UNIX") as listener:
            self._connection.send((listener.address, request))
            return Program(request.words, outputs, listener.accept())


class Program:
    """A started program; its methods are those of `subprocess.Popen`."""

    def __init__(
        self,
        words: Sequence[str],
        outputs: "tempfile.TemporaryDirectory[str]",
        connection: Connection,
    ) -> None:
        self.args = list(words)
        self.returncode: int | None = None
        self._outputs = outputs
        self._connection = connection
        self.pid = int(connection.recv())

    def poll(self) -> int | None:
        if self.returncode is None and self._connection.poll():
            self.returncode = int(self._connection.recv())
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            wait([self._connection], timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """The standard output and error of the whole program, when it has ended."""
        self.wait(timeout)
        out, err = (Path(self._outputs.name, name).read_text() for name in OUTPUTS)
        return out, err


def serve(connection: Connection) -> Request:
    """Forks for each request; returns in the forks only, and ends when the tests have ended."""
    while True:
        try:
            address, request = connection.recv()
        except EOFError:
            os._exit(0)
        if os.fork() == 0:
            connection.close()
            watch(address)
            return request
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def watch(address: str) -> None:
    """Forks the program, in which it returns, and tells the tests its number and exit status."""
    with Client(address) as told:
        program = os.fork()
        if program == 0:
            return
        told.send(program)
        _, status = os.waitpid(program, 0)
        told.send(os.waitstatus_to_exitcode(status))
    os._exit(0)


def run(request: Request, library: Sequence[str]) -> None:
    """Becomes the program; `library` is where Python finds modules of others."""
    import numpy

    numpy.random.seed()  # as a new process
    for descriptor, name in enumerate(OUTPUTS, start=1):
        with (request.outputs / name).open("ab") as file:
            os.dup2(file.fileno(), descriptor)
    os.chdir(request.folder)
    if request.umask >= 0:
        os.umask(request.umask)
    os.environ.clear()
    os.environ.update(request.environment)
    first, *rest = request.words
    own = {"-m": str(request.folder), "-c": ""}.get(first, str(Path(first).parent))
    added = request.environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [own, *filter(None, added), *library]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.modules["__main__"] = program = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(program))
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


def preload() -> None:
    """Imports what programs take most time to import."""
    import torch
    import torch._dynamo  # any optimizer imports it

    from launch.training.deepspeed_private import import_deepspeed

    import_deepspeed(torch.device("cpu"))
    gc.freeze()


if __name__ == "__main__":
    asked = Client(sys.argv[1])
    library = sys.path[1:]  # without what imports add
    preload()
    run(serve(asked), library)
