"""Training steps of this project and its competitors: clips/s, share of the peak, memory.

    python -m benchmarks.train_step [--sizes small base] [--precisions fp32 bf16] [--rounds 5]

Forward, backward and AdamW at 16x224x224 on random clips. Each competitor runs in its own process.
Their measurements are interleaved, so that a drift of the machine affects all of them equally. The
share of the peak is the throughput in operations that the objective needs, divided by that of large
matrix products right before and after the steps. Medians over the rounds, after two warm-up rounds.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from benchmarks.competitors import COMPETITORS, DEFAULT_COMPETITORS, Task
from launch.metrics.step_meter import memory_gib

WARM_UP = 2  # rounds
HEAD = ("", "ms", "min", "max", "clips/s", "of peak", "ratio", "GiB")
LAYOUT = "{:34}{:>8}{:>8}{:>8}{:>9}{:>9}{:>7}{:>7}"


class StepTiming(NamedTuple):
    """A measurement of one round."""

    seconds: float  # per step
    peak: float  # operations/s of matrix products
    gib: float  # peak memory so far: of the GPU, or of the process on a CPU


class PeakProduct(NamedTuple):
    """The matrix product whose speed counts as the peak."""

    side: int
    seconds: float  # for which it is measured, about


GPU_PRODUCT, CPU_PRODUCT = PeakProduct(16384, 0.5), PeakProduct(2048, 0.5)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of device time."""
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


def matrix_peak(precision: str, device: torch.device, product: PeakProduct) -> float:
    """Operations/s of matrix products."""
    side = product.side
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    out = a @ a
    seconds, products = 0.0, 0
    while seconds < product.seconds:
        seconds += timed(lambda: torch.mm(a, a, out=out), device)
        products += 1
    return 2 * side**3 * products / seconds


def run_competitor(
    name: str, task: Task, steps: int, product: PeakProduct, timings: Connection
) -> None:
    """The process of one competitor: measures once for every True that it receives."""
    if task.device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    competitor = COMPETITORS[name]
    step, number = competitor.make(task, competitor.masking), 0
    timings.send("ready")
    while timings.recv():
        before = matrix_peak(task.precision, task.device, product)
        if task.device.type == "cuda":
            step(number)  # allocates again what the round before has returned
            torch.cuda.synchronize(task.device)
            torch.cuda.reset_peak_memory_stats(task.device)

        def work(first: int = number) -> None:
            for each in range(first, first + steps):
                step(each)

        seconds = timed(work, task.device) / steps
        gib, number = memory_gib(task.device), number + steps
        peak = (before + matrix_peak(task.precision, task.device, product)) / 2
        if task.device.type == "cuda":
            torch.cuda.empty_cache()  # for the others
        timings.send(StepTiming(seconds, peak, gib))


def time_interleaved(
    names: list[str],
    task: Task,
    rounds: int,
    steps: int,
    warm_up: int = WARM_UP,
    start: str = "spawn",
    product: PeakProduct | None = None,
) -> dict[str, list[StepTiming]]:
    """Measurements of each competitor after the warm-up; only one process computes at a time.

    `start` is how its process starts, a name of `multiprocessing`; `product` gives the peak.
    """
    product = product or (GPU_PRODUCT if task.device.type == "cuda" else CPU_PRODUCT)
    context: Any = multiprocessing.get_context(start)
    connections: dict[str, Connection] = {}
    for name in names:
        connections[name], other = context.Pipe()
        context.Process(
            target=run_competitor, args=(name, task, steps, product, other), daemon=True
        ).start()
        other.close()  # so that recv() fails if the process dies
    for connection in connections.values():
        connection.recv()
    timings: dict[str, list[StepTiming]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        for name, connection in connections.items():
            connection.send(True)
            timing = connection.recv()
            if number >= warm_up:
                timings[name].append(timing)
    for connection in connections.values():
        connection.send(False)
    return timings


def compare(names: list[str], task: Task, rounds: int, steps: int) -> None:
    """Prints the table of one size and precision; ratios are to the last of `names`."""
    try:
        timings = time_interleaved(names, task, rounds, steps)
    except (EOFError, OSError):
        raise SystemExit(
            f"{task.size}, {task.clips} clips, {task.precision}: a competitor failed; the weights "
            "of all are in memory at once, so use fewer --competitors or --clips"
        ) from None
    peak = statistics.median(timing.peak for each in timings.values() for timing in each)
    print(
        f"\n{task.size}, {task.clips} clips per step, {task.precision}; "
        f"matrix product {peak / 1e12:.3g} TFLOP/s"
    )
    print(LAYOUT.format(*HEAD))
    reference = statistics.median(timing.seconds for timing in timings[names[-1]])
    for name, each in timings.items():
        competitor, times = COMPETITORS[name], [timing.seconds for timing in each]
        median, flops = statistics.median(times), competitor.flops(task)
        share = statistics.median(flops / timing.seconds / timing.peak for timing in each)
        row = (
            competitor.label,
            f"{median * 1e3:.0f}",
            f"{min(times) * 1e3:.0f}",
            f"{max(times) * 1e3:.0f}",
            f"{task.clips / median:.2f}",
            f"{share:.0%}",
            f"{reference / median:.2f}",
            f"{each[-1].gib:.2f}",
        )
        print(LAYOUT.format(*row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["small", "base"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument(
        "--competitors", nargs="+", default=DEFAULT_COMPETITORS, choices=COMPETITORS
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--clips", type=int, help="clips per step (default: 32 on a GPU, 8 on a CPU)"
    )
    parser.add_argument(
        "--steps", type=int, help="steps per round (default: 10 on a GPU, 1 on a CPU)"
    )
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device.type == "cuda"
    for size in options.sizes:
        for precision in options.precisions:
            task = Task(size, precision, options.clips or (32 if on_gpu else 8), device)
            compare(options.competitors, task, options.rounds, options.steps or on_gpu * 9 + 1)


if __name__ == "__main__":
    main()
