"""Training steps of this project and of other programs: clips per second, share of peak, memory.

    python -m benchmarks.train_step [--sizes small base] [--precisions fp32 bf16] [--rounds 5]

Forward, backward and AdamW at 16x224x224 on random clips. Each competitor has a process of its own,
and they take turns, so that a drift of the machine affects all of them alike. The share of the peak
is the rate of the operations that the competitor's objective needs, divided by the rate of large
matrix products right before and after its steps. Medians over the rounds, after two of warm-up.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from benchmarks.competitors import COMPETITORS, USUAL, Task
from launch.metrics.step_meter import memory_gib

WARM_UP = 2  # rounds
HEAD = ("", "ms", "min", "max", "clips/s", "of peak", "ratio", "GiB")
LAYOUT = "{:34}{:>8}{:>8}{:>8}{:>9}{:>9}{:>7}{:>7}"


class Turn(NamedTuple):
    """Measurements of one turn."""

    seconds: float  # per step
    peak: float  # operations per second of matrix products
    gib: float  # peak memory so far, of the GPU or of the whole process


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that the device needed."""
    if device.type != "cuda":
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def matrix_peak(precision: str, device: torch.device) -> float:
    """Operations per second of large matrix products, measured for half a second."""
    side = 16384 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    out = a @ a
    seconds, products = 0.0, 0
    while seconds < 0.5:
        seconds += timed(lambda: torch.mm(a, a, out=out), device)
        products += 1
    return 2 * side**3 * products / seconds


def run_competitor(name: str, task: Task, steps: int, turns: Connection) -> None:
    """The process of one competitor: makes a turn for each True that it receives."""
    if task.device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    competitor = COMPETITORS[name]
    step, number = competitor.make(task, competitor.masking), 0
    turns.send("ready")
    while turns.recv():
        before = matrix_peak(task.precision, task.device)
        if task.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(task.device)

        def work(first: int = number) -> None:
            for each in range(first, first + steps):
                step(each)

        seconds = timed(work, task.device) / steps
        gib, number = memory_gib(task.device), number + steps
        peak = (before + matrix_peak(task.precision, task.device)) / 2
        turns.send(Turn(seconds, peak, gib))


def take_turns(names: list[str], task: Task, rounds: int, steps: int) -> dict[str, list[Turn]]:
    """All turns of each competitor after the warm-up; the others wait while one computes."""
    context: Any = multiprocessing.get_context("spawn")
    connections: dict[str, Connection] = {}
    for name in names:
        connections[name], other = context.Pipe()
        context.Process(target=run_competitor, args=(name, task, steps, other), daemon=True).start()
        other.close()  # so that recv fails if the process ends
        connections[name].recv()
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for number in range(WARM_UP + rounds):
        for name, connection in connections.items():
            connection.send(True)
            turn = connection.recv()
            if number >= WARM_UP:
                turns[name].append(turn)
    for connection in connections.values():
        connection.send(False)
    return turns


def compare(names: list[str], task: Task, rounds: int, steps: int) -> None:
    """Prints the table of one size and precision; ratios are relative to the last competitor."""
    try:
        turns = take_turns(names, task, rounds, steps)
    except (EOFError, OSError):
        raise SystemExit(
            f"{task.size}, {task.clips} clips, {task.precision}: a competitor ended; all of them "
            "are in memory at once: give fewer --competitors or --clips"
        ) from None
    peak = statistics.median(turn.peak for each in turns.values() for turn in each)
    print(
        f"\n{task.size}, {task.clips} clips per step, {task.precision}; "
        f"matrix product {peak / 1e12:.3g} TFLOP/s"
    )
    print(LAYOUT.format(*HEAD))
    last = statistics.median(turn.seconds for turn in turns[names[-1]])
    for name, each in turns.items():
        competitor, times = COMPETITORS[name], [turn.seconds for turn in each]
        middle, flops = statistics.median(times), competitor.flops(task)
        share = statistics.median(flops / turn.seconds / turn.peak for turn in each)
        row = (
            competitor.label,
            f"{middle * 1e3:.0f}",
            f"{min(times) * 1e3:.0f}",
            f"{max(times) * 1e3:.0f}",
            f"{task.clips / middle:.2f}",
            f"{share:.0%}",
            f"{last / middle:.2f}",
            f"{each[-1].gib:.2f}",
        )
        print(LAYOUT.format(*row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["small", "base"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument(
        "--competitors", "--contestants", nargs="+", default=USUAL, choices=COMPETITORS
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, help="clips per step (32 on a GPU, 8 on a CPU)")
    parser.add_argument("--steps", type=int, help="steps per turn (10 on a GPU, 1 on a CPU)")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device.type == "cuda"
    for size in options.sizes:
        for precision in options.precisions:
            task = Task(size, precision, options.clips or (32 if on_gpu else 8), device)
            compare(options.competitors, task, options.rounds, options.steps or on_gpu * 9 + 1)


if __name__ == "__main__":
    main()
