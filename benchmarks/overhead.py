"""Overhead of a step besides model and optimizer: that of the loop and that of DeepSpeed.

    python -m benchmarks.overhead [--size base] [--clips 2] [--steps 60] [--rounds 7]

The real loop trains on random clips in memory. Time outside of the model, its loss, the optimizer
and the wait for data belongs to the loop, for steps that are logged and for others. Images,
features and checkpoints are measured by `benchmarks.monitoring_cost` and `benchmarks.saving`. Then
the same step runs without DeepSpeed and at its stages, in turns, each in a process of its own.
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
from benchmarks.profiled_pretrain import WITHIN
from benchmarks.train_step import take_turns
from video.synthetic import synthesize

ROOT = Path(__file__).parent.parent
WARM_UP = 5  # steps
EVERY = 10  # steps are logged
NO_PARTS = ("whole", *(part for _, _, part in WITHIN))
COMPUTING = ("forward", "target, loss", "backward", "optimizer")
STAGES = {"fp32": ["ours-zero-0", "ours"], "bf16": ["ours-zero-1", "ours-zero-2", "ours"]}
Parts = dict[str, float]  # seconds of each part of a step; "whole" is the step


def steps_of(folder: Path, size: str, clips: int, steps: int) -> list[Parts]:
    """The steps of a run, in their order, after the warm-up."""
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
        f"log={{every_steps: {EVERY}, images_every_steps: 100000, "
        "features_every_steps: 100000, feature_clips: 2}",
    ]
    command = [sys.executable, "-m", "benchmarks.profiled_pretrain", str(steps), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"whole"')]
    if done.returncode or len(lines) != steps:
        raise SystemExit(f"the run ended with status {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in lines][WARM_UP:]


def loop_seconds(step: Parts) -> float:
    """Seconds that belong to the loop."""
    return step["whole"] - sum(step.get(part, 0.0) for part in (*COMPUTING, "data"))


def other_seconds(step: Parts) -> float:
    """Seconds of the loop that no part measures."""
    parts = (seconds for part, seconds in step.items() if part not in NO_PARTS)
    return step["whole"] - sum(parts)


def milliseconds(steps: Sequence[Parts], part: str) -> float:
    if part == "the loop itself":
        return 1e3 * statistics.median(other_seconds(step) for step in steps)
    return 1e3 * statistics.median(step.get(part, 0.0) for step in steps)


def print_loop(steps: list[Parts]) -> None:
    logged = [step for step in steps if "report" in step]
    plain = [step for step in steps if "report" not in step]
    parts = sorted({part for step in steps for part in step} - {"whole", "data", *COMPUTING})
    print(f"{'ms per step, medians':28}{'plain':>10}{'logged':>10}")
    for part in ("whole", *COMPUTING, "data", *parts, "the loop itself"):
        columns = (f"{milliseconds(each, part):10.3f}" for each in (plain, logged))
        print(f"{part:28}{''.join(columns)}")
    once, often = (1e3 * statistics.median(map(loop_seconds, each)) for each in (plain, logged))
    print(f"{'whole loop':28}{once:10.3f}{often:10.3f}")
    whole = milliseconds(plain, "whole")
    mean = ((EVERY - 1) * once + often) / EVERY
    print(
        f"overhead: {once:.2f} ms = {once / whole:.3%} of a plain step, {often:.2f} ms = "
        f"{often / whole:.3%} of a logged one; {mean / whole:.3%} if every {EVERY}th step is logged"
    )


def print_stages(task: Task, rounds: int, steps: int) -> None:
    """Prints ratios of times that were measured in direct succession."""
    names = STAGES[task.precision]
    turns = take_turns(names, task, rounds, steps)
    bare = [turn.seconds for turn in turns["ours"]]
    print(f"\n{task.size}, {task.clips} clips, {task.precision}; {rounds} rounds of {steps} steps")
    print(f"{'':28}{'ms':>8}{'min':>8}{'max':>8}{'to bare':>9}{'ratio of medians':>18}")
    for name in names:
        times = [turn.seconds for turn in turns[name]]
        paired = statistics.median(a / b for a, b in zip(times, bare, strict=True))
        middle = statistics.median(times)
        print(
            f"{COMPETITORS[name].label.strip():28}{1e3 * middle:8.0f}{1e3 * min(times):8.0f}"
            f"{1e3 * max(times):8.0f}{paired:9.3f}{middle / statistics.median(bare):18.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="base")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60, help="steps of the loop")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--of-a-turn", type=int, default=1, help="steps per turn with and without DeepSpeed"
    )
    options = parser.parse_args()
    if options.steps:
        with tempfile.TemporaryDirectory() as folder:
            steps = steps_of(Path(folder), options.size, options.clips, options.steps)
        print(f"{options.size}, {options.clips} clips, {len(steps)} steps")
        print_loop(steps)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for precision in STAGES if options.rounds else ():
        task = Task(options.size, precision, options.clips, device)  # type: ignore[arg-type]
        print_stages(task, options.rounds, options.of_a_turn)


if __name__ == "__main__":
    main()
