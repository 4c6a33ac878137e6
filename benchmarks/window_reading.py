"""Overlapping windows of one recording: read in stretches, against one read a window.

`python -m benchmarks.window_reading [RECORDING] [--seconds 1024] [--rounds 3]` takes a window of 16
frames, 4 s apart, at every second of the middle of a recording (a synthetic one if none is given),
in turns; frames that the reader was asked for, and seconds.
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


def together(recording: Recording, moments: np.ndarray) -> int:
    """Returns how many frames were asked for."""
    track = LabelTrack(recording, moments, np.zeros(len(moments), dtype=np.int64), 0, 0)
    sampled, viewing = (
        SampledTrack(track, WINDOW),
        MultiViewReader(EvalCrop(SIZE, "resize"), FRAMES),
    )
    asked = 0
    for question in sample_batches([sampled], labelled_only=False):
        views = viewing.read(sampled, question, 0)
        for moment in range(len(moments)):
            views.clips(moment, moment + 1)
        asked += len(views.frames)
    return asked


def one_by_one(recording: Recording, moments: np.ndarray) -> int:
    """As the forerunners evaluate: every window for itself."""
    asked = 0
    for moment in moments:
        times = np.unique(WINDOW.times(float(moment), FRAMES, recording.seconds - 1))
        asked += len(read_frames(recording, times.tolist(), *SIZE))
    return asked


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
        moments = np.arange(first, first + options.seconds)
        took: dict[str, list[float]] = {}
        asked: dict[str, int] = {}
        for _ in range(options.rounds):
            for way in (together, one_by_one):
                began = time.perf_counter()
                asked[way.__name__] = way(recording, moments)
                took.setdefault(way.__name__, []).append(time.perf_counter() - began)
    print(f"{len(moments)} windows of {FRAMES} frames, {recording.path}")
    for way_name, seconds in took.items():
        print(f"{way_name:<12}{asked[way_name]:7} frames {statistics.median(seconds):8.2f} s")
    fewer = asked["one_by_one"] / asked["together"]
    faster = statistics.median(took["one_by_one"]) / statistics.median(took["together"])
    print(f"{fewer:.1f} times fewer frames, {faster:.1f} times faster")


if __name__ == "__main__":
    main()
