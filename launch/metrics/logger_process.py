"""The child process of a background logger: reads calls from its standard input.

    python -m launch.metrics.logger_process PID SECONDS

Its arguments are the process of the run, and how long it may go on sending after that has ended
without closing it.
"""

import importlib
import os
import pickle
import signal
import sys
import threading
import time
from typing import Any

from launch.distributed.signals import ignore_interrupts


def main() -> str:
    """Makes the calls until the input ends; returns the reason of a failure."""
    try:
        target, config, folder = pickle.load(sys.stdin.buffer)
        module, _, name = target.partition(":")
        logger: Any = getattr(importlib.import_module(module), name)(config, folder)
        while True:
            try:
                method, *arguments = pickle.load(sys.stdin.buffer)
            except EOFError:
                break
            getattr(logger, method)(*arguments)
        logger.close()
    except BaseException as error:  # of the service's library: any, sys.exit too
        reason = " ".join(str(error).split())
        return f"{type(error).__name__}: {reason}"
    return ""


def end_after_run(run: int, seconds: float) -> None:
    """Ends this process, and those that it has started, some time after a killed run."""
    while os.getppid() == run:
        time.sleep(1)
    time.sleep(seconds)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    ignore_interrupts()
    watch = (int(sys.argv[1]), float(sys.argv[2]))  # the run may have ended already
    threading.Thread(target=end_after_run, args=watch, daemon=True).start()
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the libraries print
    reason = main()
    os.write(answer, reason.encode())
    os._exit(1 if reason else 0)  # no library may delay the exit
