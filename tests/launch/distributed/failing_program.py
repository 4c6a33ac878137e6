"""A run of a small network in which one process fails; run by test_watchdog.

    failing_program.py HOW RANK [SECONDS]

HOW is what process RANK does at step 3: raise, exit (an error made for users), kill, freeze, sleep,
hold (native code that holds the interpreter), or nothing. SECONDS is how long the watchdog waits
for a heartbeat and for progress; without it, much longer than the test waits.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch

from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import detect_processes, init_process_group
from launch.distributed.watchdog import start_watchdog
from launch.entrypoint import exit_process, run_program
from launch.errors import ConfigError
from launch.training.engine import Engine
from launch.training.optimizer import AdamWConfig

STEPS, FAILS_AT = 6, 3


def hold() -> None:
    ctypes.PyDLL(None).sleep(1000)


def give_up() -> None:
    raise ConfigError("data.source: is gone from this node") from None


def burst() -> None:
    raise ArithmeticError("the sum of the parts is not the whole")


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--local_rank")]
    how, rank, seconds = words[0], int(words[1]), int((*words[2:], "3600")[0])
    does = {
        "raise": burst,
        "exit": give_up,
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP),
        "sleep": lambda: time.sleep(3 * seconds),
        "hold": hold,
        "nothing": lambda: None,
    }
    ConfigError.on_every_process = False
    processes = detect_processes(os.environ)
    init_process_group(processes, 1800)
    limits = EngineConfig(precision="fp32", heartbeat_timeout=seconds, hang_timeout=seconds)
    model = torch.nn.Linear(8, 8)
    batch = BatchConfig(global_batch_size=4 * processes.world_size, micro_batch_size=4)
    # before the watchdog: on a loaded machine the import of DeepSpeed alone takes SECONDS
    engine = Engine(model, batch, AdamWConfig(), limits, processes)
    with start_watchdog(processes, limits) as watchdog:
        for step in range(STEPS):
            watchdog.set_status(f"step {step}, waiting for data")
            if step == FAILS_AT and processes.rank == rank:
                print("fails now", time.time(), flush=True)
                does[how]()
            watchdog.set_status(f"step {step}, computing")
            engine.backward(engine.forward(torch.randn(4, 8)).square().mean())
            engine.step(1e-3, 0.0)
    engine.close()
    print("complete")


exit_process(run_program("failing", main))
