"""Overlapping windows of a recording: batched reads compared with one read per window.

`python -m benchmarks.window_reading [RECORDING] [--seconds 1024] [--rounds 3]` reads a window of 16
frames, 4 s apart, at every second in the middle of a recording (default: a synthetic one), with
both methods interleaved. Prints the frames requested from the reader, and seconds.
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
    """Reads batches of overlapping windows; returns the number of frames requested."""
    track = LabelTrack(recording, timestamps, np.zeros(len(timestamps), dtype=np.int64), 0, 0)
    sampled = SampledTrack(track, WINDOW)
    reader = MultiViewReader(EvalCrop(SIZE, "resize"), FRAMES)
    frames_requested = 0
    for batch in sample_batches([sampled], labelled_only=False):
        views = reader.read(sampled, batch, 0)
        for index in range(len(timestamps)):
            views.clips(index, index + 1)
        frames_requested += len(views.frames)
    return frames_requested


def per_window(recording: Recording, timestamps: np.ndarray) -> int:
    """Reads every window separately, as published code does."""
    frames_requested = 0
    for timestamp in timestamps:
        times = np.unique(WINDOW.times(float(timestamp), FRAMES, recording.seconds - 1))
        frames_requested += len(read_frames(recording, times.tolist(), *SIZE))
    return frames_requested


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--seconds", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = options.recording or synthesize(folder, 1, options.seconds + 120, 240, 0)[0]
        recording = open_verified(str(path), "pyav", 1.0, folder / "cache", lambda *_: None)
        first = max(60.0, (recording.seconds - options.seconds) / 2)
        timestamps = np.arange(first, first + options.seconds)
        seconds_of: dict[str, list[float]] = {}
        frames_requested: dict[str, int] = {}
        for _ in range(options.rounds):
            for method in (batched, per_window):
                start = time.perf_counter()
                frames_requested[method.__name__] = method(recording, timestamps)
                seconds_of.setdefault(method.__name__, []).append(time.perf_counter() - start)
    print(f"{len(timestamps)} windows of {FRAMES} frames, {recording.path}")
    for method_name, seconds in seconds_of.items():
        frames, median = frames_requested[method_name], statistics.median(seconds)
        print(f"{method_name:<12}{frames:7} frames {median:8.2f} s")
    fewer = frames_requested["per_window"] / frames_requested["batched"]
    faster = statistics.median(seconds_of["per_window"]) / statistics.median(seconds_of["batched"])
    print(f"{fewer:.1f} times fewer frames, {faster:.1f} times faster")


if __name__ == "__main__":
    main()
