"""Cost of monitoring: training with and without images, features and k-NN probe.

`python -m benchmarks.monitoring_cost [--steps 400] [--every 200] [--rounds 3]` trains the
demo recipe on synthetic recordings with two processes, alternately with monitoring every N steps
and without monitoring between the first and the last step. The time is measured from the log line
of the first step to that of the last step, before the image of the last step is rendered. The share
that the run itself logs (`time/monitoring`) is also printed.
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
    """Seconds from the first to the last step of a run with two processes."""
    log = f"log={{every_steps: {steps}, images_every_steps: {every or 10 * steps}, "
    log += f"features_every_steps: {every or 10 * steps}}}"
    arguments = ["demo", f"data.source={recordings}", f"run={run}", f"schedule.steps={steps}", log]
    if every:
        arguments.append(f"knn_probe={{source: {recordings}, labels: {recordings}}}")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "pretrain", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    times: dict[str, float] = {}
    for line in process.stdout or ():
        for step in (1, steps):
            if f"step {step}/{steps} " in line:
                times[str(step)] = time.perf_counter()
    if process.wait() or len(times) < 2:
        raise SystemExit(f"the run failed with status {process.returncode}; see {run}")
    return times[str(steps)] - times["1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder) / "recordings"
        synthesize(recordings, 6, 20.0, 96, seed=0)
        ratios, logged = [], []
        for number in range(options.rounds):
            plain = seconds(recordings, Path(folder) / f"plain{number}", options.steps, None)
            run = Path(folder) / f"monitored{number}"
            monitored = seconds(recordings, run, options.steps, options.every)
            ratios.append(monitored / plain)
            lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
            logged.append(
                [line["time/monitoring"] for line in lines if "time/monitoring" in line][-1]
            )
            print(
                f"without {plain:.1f} s, with {monitored:.1f} s: {monitored / plain:.3f}",
                flush=True,
            )
    print(
        f"monitoring every {options.every} of {options.steps} steps: "
        f"{statistics.median(ratios):.3f} times the time (median of {options.rounds}); "
        f"time/monitoring in the log: {statistics.median(logged):.1%}"
    )


if __name__ == "__main__":
    main()
