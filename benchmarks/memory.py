"""Memory of a process over 10,000 reads, for each storage format.

    python -m benchmarks.memory [--reads 10000] [--folder DIR]

Each format is read in its own process, in clips of 16 frames at random times. Reported is the
resident memory after a number of reads.
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.recordings import prepared, raw_recordings
from video.readers.random_access import read_frames
from video.recording import Recording


def resident_mb() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1e3
    raise RuntimeError("/proc/self/status has no VmRSS")


def read_many(name: str, recording: Recording, reads: int) -> None:
    rng = np.random.default_rng(0)
    checkpoints = {max(reads * n // 100, 1): f"{reads * n // 100}" for n in (1, 10, 50, 100)}
    reports = []
    for number in range(1, reads + 1):
        start = float(rng.uniform(0, recording.seconds - 2.5))
        read_frames(recording, [start + 0.16 * n for n in range(16)], *recording.shape)
        if number in checkpoints:
            reports.append(f"{resident_mb():.0f} MB after {checkpoints[number]}")
    print(f"{name:28}" + ", ".join(reports), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reads", type=int, default=10_000)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "benchmark_recordings"
    )
    options = parser.parse_args()
    raw = list(raw_recordings(options.folder).items())
    source, smallest = raw[-1]
    forms = {f"{source}, raw": smallest}
    for form in ("h264", "jpeg"):
        forms[f"{source}, {form}"] = prepared(smallest, options.folder, form, None)
    for name, recording in forms.items():
        process = multiprocessing.get_context("spawn").Process(
            target=read_many, args=(name, recording, options.reads)
        )
        process.start()
        process.join()


if __name__ == "__main__":
    main()
