"""Overlapping windows of one recording: batched reads, compared with one read per window.

`python -m benchmarks.window_reading [RECORDING] [--seconds 1024] [--rounds 3]` takes a window of 16
frames, 4 s apart, at each second in the middle of a recording (default: a synthetic one), with both
methods in turn, and prints the frames that were read and the seconds.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from finetune.inference.multi_view import MultiViewReader, sample_batches
from video.eval_crop import EvalCrop
from video.labels.align import LabelTrack
from video.open_source import open_verified
from video.readers.random_access import read_frames
from video.recording import Recording
from video.synthetic import synthesize

FRAMES, SIZE, WINDOW = 16, (224, 224), WindowSampling("causal", 4.0)


def batched(recording: Recording, timestamps: np.ndarray) -> int:
    """Returns the number of frames that were read."""
    track = LabelTrack(recording, timestamps, np.zeros(len(timestamps), dtype=np.int64), 0, 0)
    sampled, reader = (
        SampledTrack(track, WINDOW),
        MultiViewReader(EvalCrop(SIZE, "resize"), FRAMES),
    )
    frames_read = 0
    for batch in sample_batches([sampled], labelled_only=False):
        views = reader.read(sampled, batch, 0)
        for timestamp in range(len(timestamps)):
            views.clips(timestamp, timestamp + 1)
        frames_read += len(views.frames)
    return frames_read


def one_by_one(recording: Recording, timestamps: np.ndarray) -> int:
    """As other programs evaluate: reads each window separately."""
    frames_read = 0
    for timestamp in timestamps:
        times = np.unique(WINDOW.times(float(timestamp), FRAMES, recording.seconds - 1))
        frames_read += len(read_frames(recording, times.tolist(), *SIZE))
    return frames_read


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--seconds", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = options.recording or synthesize(folder, 1, options.seconds + 120, 240, 0)[0]
        recording = open_verified(str(path), "pyav", 1.0, folder / "cache", lambda *_: None)
        first = max(60.0, (recording.seconds - options.seconds) / 2)
        timestamps = np.arange(first, first + options.seconds)
        took: dict[str, list[float]] = {}
        frames_read: dict[str, int] = {}
        for _ in range(options.rounds):
            for method in (batched, one_by_one):
                began = time.perf_counter()
                frames_read[method.__name__] = method(recording, timestamps)
                took.setdefault(method.__name__, []).append(time.perf_counter() - began)
    print(f"{len(timestamps)} windows of {FRAMES} frames, {recording.path}")
    for name, seconds in took.items():
        print(f"{name:<12}{frames_read[name]:7} frames {statistics.median(seconds):8.2f} s")
    fewer = frames_read["one_by_one"] / frames_read["batched"]
    faster = statistics.median(took["one_by_one"]) / statistics.median(took["batched"])
    print(f"{fewer:.1f} times fewer frames, {faster:.1f} times faster")


if __name__ == "__main__":
    main()
