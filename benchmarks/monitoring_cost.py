"""What looking at a run costs it: training with pictures, features and probe, and without.

`python -m benchmarks.monitoring_cost [--steps 400] [--every 200] [--rounds 3]` trains the
demo recipe on recordings that it renders, in two processes, in turns with looks so
often and with none between the first step and the last. The
time is that from the line of the first step to that of the last one,
where the picture of the last is not painted yet; the run's own account of it is told beside.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from video.synthetic import synthesize

ROOT = Path(__file__).parent.parent


def seconds(recordings: Path, run: Path, steps: int, every: int | None) -> float:
    """From the first step to the last of a run of two processes."""
    log = f"log={{every_steps: {steps}, images_every_steps: {every or 10 * steps}, "
    log += f"features_every_steps: {every or 10 * steps}}}"
    words = ["demo", f"data.source={recordings}", f"run={run}", f"schedule.steps={steps}", log]
    if every:
        words.append(f"knn_probe={{source: {recordings}, labels: {recordings}}}")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(
        [*command, "pretrain", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    at: dict[str, float] = {}
    for line in started.stdout or ():
        for step in (1, steps):
            if f"step {step}/{steps} " in line:
                at[str(step)] = time.perf_counter()
    if started.wait() or len(at) < 2:
        raise SystemExit(f"the run ended with status {started.returncode}; see {run}")
    return at[str(steps)] - at["1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings"
        synthesize(recordings, 6, 20.0, 96, seed=0)
        ratios, own = [], []
        for number in range(options.rounds):
            plain = seconds(recordings, Path(folder) / f"plain{number}", options.steps, None)
            run = Path(folder) / f"looked{number}"
            looked = seconds(recordings, run, options.steps, options.every)
            ratios.append(looked / plain)
            lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
            own.append([line["time/monitoring"] for line in lines if "time/monitoring" in line][-1])
            print(f"without {plain:.1f} s, with {looked:.1f} s: {looked / plain:.3f}", flush=True)
    print(
        f"looks every {options.every} of {options.steps} steps: {statistics.median(ratios):.3f} "
        f"times the time (median of {options.rounds}); by the run's own account "
        f"{statistics.median(own):.1%}"
    )


if __name__ == "__main__":
    main()
