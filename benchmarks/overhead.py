"""Overhead of a training step: time outside model and optimizer, and that of DeepSpeed.

    python -m benchmarks.overhead [--size base] [--clips 2] [--steps 60] [--rounds 7]

The real loop trains on random clips in memory. Time outside the model, its loss, the optimizer and
the wait for data is overhead of the loop; steps with and without logging are reported separately.
Images, features and checkpoints are measured by `benchmarks.monitoring_cost` and
`benchmarks.saving`. Then the same step without DeepSpeed and at its ZeRO stages, interleaved, each
in its own process.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.competitors import COMPETITORS, Task
from benchmarks.profiled_pretrain import NESTED
from benchmarks.train_step import time_interleaved
from video.synthetic import synthesize

ROOT = Path(__file__).parent.parent
WARM_UP = 5  # steps
LOG_EVERY = 10  # steps
TOTALS = ("total", *(part for _, _, part in NESTED))
COMPUTING = ("forward", "target, loss", "backward", "optimizer")
STAGES = {"fp32": ["ours-zero-0", "ours"], "bf16": ["ours-zero-1", "ours-zero-2", "ours"]}
Parts = dict[str, float]  # seconds by part of a step; "total" is the step


def profile_steps(folder: Path, size: str, clips: int, steps: int) -> list[Parts]:
    """The steps of a run in its own process, in order, without the warm-up."""
    synthesize(folder / "recordings", 1, 4.0, 64, seed=0)
    words = [
        "base",
        f"data.source={folder / 'recordings'}",
        f"run={folder / 'run'}",
        f"encoder={{size: {size}}}",
        f"decoder={{size: {size}, depth: 4}}",
        f"batch={{global_batch_size: {clips}, micro_batch_size: {clips}}}",
        "data.clips_per_read=1",
        "data.workers=0",
        "schedule={steps: 100000, epochs: null}",
        "checkpoint.every_steps=100000",
        f"log={{every_steps: {LOG_EVERY}, images_every_steps: 100000, "
        "features_every_steps: 100000, feature_clips: 2}",
    ]
    command = [sys.executable, "-m", "benchmarks.profiled_pretrain", str(steps), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"total"')]
    if done.returncode or len(lines) != steps:
        raise SystemExit(f"the run failed with status {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in lines][WARM_UP:]


def loop_seconds(step: Parts) -> float:
    """Seconds of overhead of the loop."""
    return step["total"] - sum(step.get(part, 0.0) for part in (*COMPUTING, "data"))


def unnamed_seconds(step: Parts) -> float:
    """Seconds of the loop that belong to no named part."""
    parts = (seconds for part, seconds in step.items() if part not in TOTALS)
    return step["total"] - sum(parts)


def milliseconds(steps: Sequence[Parts], part: str) -> float:
    if part == "the loop itself":
        return 1e3 * statistics.median(unnamed_seconds(step) for step in steps)
    return 1e3 * statistics.median(step.get(part, 0.0) for step in steps)


def print_loop(steps: list[Parts]) -> None:
    logged = [step for step in steps if "report" in step]
    plain = [step for step in steps if "report" not in step]
    parts = sorted({part for step in steps for part in step} - {"total", "data", *COMPUTING})
    print(f"{'ms per step, medians':28}{'plain':>10}{'logged':>10}")
    for part in ("total", *COMPUTING, "data", *parts, "the loop itself"):
        columns = (f"{milliseconds(each, part):10.3f}" for each in (plain, logged))
        print(f"{part:28}{''.join(columns)}")
    unlogged, with_log = (
        1e3 * statistics.median(map(loop_seconds, each)) for each in (plain, logged)
    )
    print(f"{'total overhead':28}{unlogged:10.3f}{with_log:10.3f}")
    total = milliseconds(plain, "total")
    mean = ((LOG_EVERY - 1) * unlogged + with_log) / LOG_EVERY
    print(
        f"overhead: {unlogged:.2f} ms = {unlogged / total:.3%} of a step without logging, "
        f"{with_log:.2f} ms = {with_log / total:.3%} with it; "
        f"{mean / total:.3%} if every {LOG_EVERY}th step is logged"
    )


def print_stages(task: Task, rounds: int, steps: int) -> None:
    """Prints times and their ratios to the step without DeepSpeed, paired by round."""
    names = STAGES[task.precision]
    timings = time_interleaved(names, task, rounds, steps)
    baseline = [timing.seconds for timing in timings["ours"]]
    print(f"\n{task.size}, {task.clips} clips, {task.precision}; {rounds} rounds of {steps} steps")
    print(f"{'':28}{'ms':>8}{'min':>8}{'max':>8}{'ratio':>9}{'ratio of medians':>18}")
    for name in names:
        times = [timing.seconds for timing in timings[name]]
        paired = statistics.median(a / b for a, b in zip(times, baseline, strict=True))
        median = statistics.median(times)
        print(
            f"{COMPETITORS[name].label.strip():28}{1e3 * median:8.0f}{1e3 * min(times):8.0f}"
            f"{1e3 * max(times):8.0f}{paired:9.3f}{median / statistics.median(baseline):18.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="base")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60, help="steps of the loop")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps-per-round", type=int, default=1, help="of each engine")
    options = parser.parse_args()
    if options.steps:
        with tempfile.TemporaryDirectory() as folder:
            steps = profile_steps(Path(folder), options.size, options.clips, options.steps)
        print(f"{options.size}, {options.clips} clips, {len(steps)} steps")
        print_loop(steps)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for precision in STAGES if options.rounds else ():
        task = Task(options.size, precision, options.clips, device)  # type: ignore[arg-type]
        print_stages(task, options.rounds, options.steps_per_round)


if __name__ == "__main__":
    main()
