"""10,000 recordings of one hour each: time until ready, memory, and time to draw a clip.

    python -m benchmarks.many_recordings [--recordings 10000]

The files are sparse, with the sizes of the manifest. Does all that a run does with a manifest
before its first read: checks and reads it, writes it into the run folder, reads it on every rank,
builds the sampler, and shuffles an epoch.
"""

import argparse
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from launch.rng import sample_rng
from video.clip_sampler import ClipSampler, SamplingPlan
from video.config import Sampling
from video.fingerprint import content_digest
from video.manifest import read_manifest, require_unchanged, write_manifest
from video.recording import FieldOfView, Recording

HOUR = Recording(
    "",
    "pyav",
    25.0,
    90_000,
    3600.0,
    1920,
    1080,
    0.0,
    holes=((600.0, 640.0),),
    black=((0.0, 2.5), (1800.0, 1810.0)),
    view=FieldOfView("circle", (0.5, 0.889, 0.49)),
    motion="0123456789" * 6,
    key_frame_seconds=10.0,
    steady=True,
    bytes=4_000_000_000,
    verified="all frames, 9 places",
)
DRAWS = 5000


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def make_manifest(folder: Path, number: int) -> Path:
    recordings = []
    for n in range(number):
        file = folder / f"hospital {n % 7}" / f"operation{n:05}.mp4"
        file.parent.mkdir(exist_ok=True)
        with file.open("wb") as stream:
            stream.truncate(HOUR.bytes or 0)
        content = content_digest(str(file))
        recordings.append(replace(HOUR, path=str(file), content=content))
    write_manifest(recordings, folder / "manifest.csv")
    return folder / "manifest.csv"


def draw_microseconds(recordings: list[Recording]) -> float:
    sampler = ClipSampler(recordings, 16, {"": SamplingPlan(Sampling(motion_weight=1.0))})
    positions = np.random.default_rng(0).integers(0, sampler.reads_per_epoch, DRAWS).tolist()
    rngs = [sample_rng(0, 0, position, "clip") for position in positions]
    start = time.process_time()
    for position, rng in zip(positions, rngs, strict=True):
        sampler.draw(position, rng)
    return 1e6 * (time.process_time() - start) / DRAWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = make_manifest(Path(folder), options.recordings)
        before, start = memory_mb(), time.perf_counter()
        recordings = read_manifest(manifest)
        require_unchanged(recordings, manifest)
        write_manifest(recordings, manifest.with_name("run.csv"))
        recordings = read_manifest(manifest.with_name("run.csv"))
        sampler = ClipSampler(recordings, 16, {"": SamplingPlan(Sampling())})
        order = sampler.order(np.random.default_rng(0))
        ready = time.perf_counter() - start
        print(
            f"{len(recordings)} recordings, {len(order)} reads per epoch: ready in {ready:.1f} s, "
            f"{memory_mb() - before:.0f} MB of additional memory"
        )
        pairs = [
            (draw_microseconds(recordings[:10]), draw_microseconds(recordings)) for _ in range(7)
        ]
        few, many = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(
            f"drawing a clip: {few:.0f} microseconds among 10, {many:.0f} among {len(recordings)}"
        )


if __name__ == "__main__":
    main()
