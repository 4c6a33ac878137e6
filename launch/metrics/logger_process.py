"""The child process of a background logger: reads calls from its standard input."""

import importlib
import os
import pickle
import sys
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
    except Exception as error:  # of the service's library: any
        reason = " ".join(str(error).split())
        return f"{type(error).__name__}: {reason}"
    return ""


if __name__ == "__main__":
    ignore_interrupts()
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the libraries print
    reason = main()
    os.write(answer, reason.encode())
    os._exit(1 if reason else 0)  # no library may delay the exit
