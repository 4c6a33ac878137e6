"""CPU time per clip from the file to the input of the network, and clips/s of the dataloader.

    python -m benchmarks.data_loading [--rounds 15] [--folder DIR]

A clip is 16 frames at 6.25 frames/s, randomly cropped and resized to 224x224. Measurements are
interleaved: the baseline of published code (decord at full size, PIL per frame, normalised floats),
and this project on the same recordings and on prepared ones, with 1 and 4 clips per read. Reported
is the median CPU time of all threads; other load on the machine affects all methods equally.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from benchmarks.data_pipeline import print_pipeline
from benchmarks.recordings import prepared, raw_recordings
from launch.rng import sample_rng
from video.clip_reader import ClipReader
from video.clip_sampler import ClipSampler, SamplingPlan
from video.config import Augmentation, Sampling
from video.multiscale_crop import crop_corners, crop_sizes
from video.recording import Recording

FRAMES, SIDE, STEP = 16, 224, 0.16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AUGMENTATION = Augmentation()
BASELINE = "baseline (decord, PIL)"
# Target speed-ups over the baseline: method, then one for each source.
TARGETS = {
    "raw": (1.15, 1.15, 1.15),
    "raw, 4 clips": (3, 3, 3),
    "h264": (70, 20, 2),
    "h264, 4 clips": (140, 40, 4),
    "jpeg": (150, 45, 6),
    "jpeg, 4 clips": (300, 90, 12),
}


class ReadMethod(NamedTuple):
    """A method of reading clips; `read(round)` returns `clips` clips."""

    name: str
    clips: int
    read: Callable[[int], object]


def decord_baseline(recording: Recording) -> Callable[[int], object]:
    """Decodes at full size by decord, crops and resizes every frame by PIL, normalises floats."""
    import decord

    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))

    def read(number: int) -> torch.Tensor:
        rng = np.random.default_rng(number)
        reader = decord.VideoReader(recording.path, num_threads=1)
        start = int(rng.integers(0, len(reader) - int(FRAMES * STEP * recording.fps)))
        stride = round(STEP * recording.fps)
        frames = reader.get_batch([start + n * stride for n in range(FRAMES)]).asnumpy()
        height, width = frames.shape[1:3]
        sizes = crop_sizes(AUGMENTATION, height, width, SIDE, SIDE)
        box_height, box_width = sizes[rng.integers(len(sizes))]
        corners = crop_corners(height, width, box_height, box_width)
        top, left = corners[rng.integers(len(corners))]
        box = (left, top, left + box_width, top + box_height)
        images = [
            Image.fromarray(frame).crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            for frame in frames
        ]
        clip = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
        return (clip.permute(3, 0, 1, 2).float().div(255) - mean) / std

    return read


def ours(recording: Recording, clips: int) -> Callable[[int], object]:
    """This project's reader, called as in a dataloader worker."""
    sampler = ClipSampler([recording], FRAMES, {"": SamplingPlan(Sampling(frame_rate=1 / STEP))})
    reader = ClipReader([recording], sampler, AUGMENTATION, SIDE, SIDE, clips)

    def read(number: int) -> object:
        position = number % sampler.reads_per_epoch
        outcome = reader.read(position, lambda s, stream: sample_rng(number, 0, s, stream))
        assert not outcome.failures
        return outcome

    return read


def read_methods(raw: Recording, folder: Path) -> Iterator[ReadMethod]:
    yield ReadMethod(BASELINE, 1, decord_baseline(raw))
    forms = {"raw": raw}
    for form in ("h264", "jpeg"):
        forms[form] = prepared(raw, folder, form, None)
        forms[f"{form} at 6.25/s"] = prepared(raw, folder, form, 6.25)
    for name, recording in forms.items():
        size = (recording.bytes or 0) / recording.seconds * 3.6e-6
        label = f"{name}" + (f" ({size:.2f} GB/h)" if name != "raw" else "")
        yield ReadMethod(label, 1, ours(recording, 1))
        yield ReadMethod(f"{label}, 4 clips", 4, ours(recording, 4))


def measure(methods: list[ReadMethod], rounds: int) -> dict[str, float]:
    """Milliseconds of CPU time per clip: medians over rounds, with all methods in each round."""
    spent: dict[str, list[float]] = {method.name: [] for method in methods}
    for number in range(rounds + 1):
        for method in methods:
            start_time = time.process_time()
            method.read(number)
            spent[method.name].append((time.process_time() - start_time) / method.clips)
    return {name: 1e3 * statistics.median(values[1:]) for name, values in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "benchmark_recordings"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    fastest: dict[str, dict[str, float]] = {}
    for column, (source, raw) in enumerate(raw_recordings(options.folder).items()):
        methods = list(read_methods(raw, options.folder))
        raw_bits = 8 * Path(raw.path).stat().st_size
        spent = measure(methods, options.rounds)
        rate = raw_bits / raw.seconds / 1e6
        print(f"\n{source}, {rate:.1f} Mbit/s\n{'':36}ms / clip  speed-up   target")
        for name, value in spent.items():
            key = name.split(" (")[0] + (", 4 clips" if "4 clips" in name else "")
            targets = TARGETS.get(key.replace(", 4 clips, 4 clips", ", 4 clips"))
            target = f"{targets[column]:9.4g}" if targets else ""
            print(f"{name:36}{value:9.2f}{spent[BASELINE] / value:9.1f}{target}", flush=True)
        fastest[source] = spent
    print_pipeline(options.folder, fastest)


if __name__ == "__main__":
    main()
