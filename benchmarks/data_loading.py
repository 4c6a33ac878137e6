"""CPU time per clip from the disk to the input of the network, and the rate of the loader.

    python -m benchmarks.data_loading [--rounds 15] [--folder /tmp/feed]

A clip is 16 frames at 6.25 per second, cropped at random and scaled to 224x224. The competitors
take turns: the baseline (decord at full size, PIL for each frame, normalised floats), and this
project on the same recordings and on prepared ones, with 1 and 4 clips per read. The times are
medians of the CPU time of all threads; in turns, other load on the machine affects all alike.
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
BASELINE = "baseline"
# wanted ratios to the baseline, by competitor, for each source
WANTED = {
    "raw": (1.15, 1.15, 1.15),
    "raw, 4 clips": (3, 3, 3),
    "h264": (70, 20, 2),
    "h264, 4 clips": (140, 40, 4),
    "jpeg": (150, 45, 6),
    "jpeg, 4 clips": (300, 90, 12),
}


class Competitor(NamedTuple):
    """A method of reading; `read(round)` returns `clips` clips."""

    name: str
    clips: int
    read: Callable[[int], object]


def baseline(recording: Recording) -> Callable[[int], object]:
    """Decodes at full size with decord, crops and resizes with PIL, normalises floats."""
    import decord

    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))

    def read(number: int) -> torch.Tensor:
        rng = np.random.default_rng(number)
        reader = decord.VideoReader(recording.path, num_threads=1)
        begin = int(rng.integers(0, len(reader) - int(FRAMES * STEP * recording.fps)))
        stride = round(STEP * recording.fps)
        frames = reader.get_batch([begin + n * stride for n in range(FRAMES)]).asnumpy()
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
    """The reader of this project, as a worker of the loader calls it."""
    sampler = ClipSampler([recording], FRAMES, {"": SamplingPlan(Sampling(frame_rate=1 / STEP))})
    reader = ClipReader([recording], sampler, AUGMENTATION, SIDE, SIDE, clips)

    def read(number: int) -> object:
        position = number % sampler.reads_per_epoch
        outcome = reader.read(position, lambda s, stream: sample_rng(number, 0, s, stream))
        assert not outcome.failures
        return outcome

    return read


def competitors(raw: Recording, folder: Path) -> Iterator[Competitor]:
    yield Competitor(BASELINE, 1, baseline(raw))
    recordings = {"raw": raw}
    for form in ("h264", "jpeg"):
        recordings[form] = prepared(raw, folder, form, None)
        recordings[f"{form} at 6.25/s"] = prepared(raw, folder, form, 6.25)
    for name, recording in recordings.items():
        size = (recording.bytes or 0) / recording.seconds * 3.6e-6
        label = f"{name}" + (f" ({size:.2f} GB/h)" if name != "raw" else "")
        yield Competitor(label, 1, ours(recording, 1))
        yield Competitor(f"{label}, 4 clips", 4, ours(recording, 4))


def measure(entries: list[Competitor], rounds: int) -> dict[str, float]:
    """Milliseconds of CPU time per clip: medians of rounds in which all take turns."""
    spent: dict[str, list[float]] = {entry.name: [] for entry in entries}
    for number in range(rounds + 1):
        for entry in entries:
            began = time.process_time()
            entry.read(number)
            spent[entry.name].append((time.process_time() - began) / entry.clips)
    return {name: 1e3 * statistics.median(values[1:]) for name, values in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "feed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    fastest: dict[str, dict[str, float]] = {}
    for place, (source, raw) in enumerate(raw_recordings(options.folder).items()):
        entries = list(competitors(raw, options.folder))
        raw_bits = 8 * Path(raw.path).stat().st_size
        spent = measure(entries, options.rounds)
        rate = raw_bits / raw.seconds / 1e6
        print(f"\n{source}, {rate:.1f} Mbit/s\n{'':36}ms per clip  ratio   wanted")
        for name, value in spent.items():
            key = name.split(" (")[0] + (", 4 clips" if "4 clips" in name else "")
            wanted = WANTED.get(key.replace(", 4 clips, 4 clips", ", 4 clips"))
            goal = f"{wanted[place]:9.4g}" if wanted else ""
            print(f"{name:36}{value:9.2f}{spent[BASELINE] / value:9.1f}{goal}", flush=True)
        fastest[source] = spent
    print_pipeline(options.folder, fastest)


if __name__ == "__main__":
    main()
