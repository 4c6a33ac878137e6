"""Cost of monitoring: training with and without images, features and the k-NN probe.

`python -m benchmarks.monitoring_cost [--steps 400] [--every 200] [--rounds 3]` trains the demo
recipe on synthetic recordings in two processes, in turns with monitoring every so many steps and
with none between the first and the last step. The time is that from the line of the first step to
that of the last one, before the last images are drawn. The run's own `time/monitoring` is printed
too.
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
    """Seconds from the first step to the last of a run of two processes."""
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
        ratios, logged = [], []
        for number in range(options.rounds):
            plain = seconds(recordings, Path(folder) / f"plain{number}", options.steps, None)
            run = Path(folder) / f"monitored{number}"
            monitored = seconds(recordings, run, options.steps, options.every)
            ratios.append(monitored / plain)
            lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
            shares = [line["time/monitoring"] for line in lines if "time/monitoring" in line]
            logged.append(shares[-1])
            print(f"without {plain:.1f} s, with {monitored:.1f} s: {ratios[-1]:.3f}", flush=True)
    print(
        f"every {options.every} of {options.steps} steps: {statistics.median(ratios):.3f} "
        f"times the time (median of {options.rounds}); time/monitoring of the run: "
        f"{statistics.median(logged):.1%}"
    )


if __name__ == "__main__":
    main()
