"""`python -m video speed`: clips per second of one process, read and cropped as for training."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from video.clip_reader import ClipReader
from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import why_no_clip
from video.config import Augmentation, Sampling
from video.discover import list_source
from video.manifest import ManifestError, read_manifest
from video.open_source import OpenedSource, find_manifest, open_paths
from video.progress import show_progress
from video.readers.registry import require_reader
from video.recording import LARGEST, Recording
from video.text_table import format_count
from video.worker_processes import Event, Job, ProgressDisplay

MAX_RECORDINGS = 8  # drawn from the source; a source that was not checked is opened slowly
FRAMES, SIDE = 16, 224  # of a clip


class Speed(NamedTuple):
    """What was read in how many seconds."""

    listed: int  # recordings of the source
    recordings: int  # of which clips were read
    too_short: int  # recordings, for a clip
    unreadable: int  # recordings and clips
    clips: int
    seconds: float

    @property
    def clips_per_second(self) -> float:
        return self.clips / self.seconds


def speed(
    source: Path, seconds: float, reader: str, folder_fps: float, timeout: float, as_json: bool
) -> int:
    """Prints the speed of reading random clips. Raises ManifestError."""
    display = _show_nothing if as_json else show_progress
    measured = measure(source, seconds, reader, folder_fps, timeout, display)
    if as_json:
        print(json.dumps({**measured._asdict(), "clips_per_second": measured.clips_per_second}))
        return 0
    left_out = (measured.too_short, "too short"), (measured.unreadable, "unreadable")
    bad = "".join(f", {count} {why}" for count, why in left_out if count)
    print(
        f"{measured.clips_per_second:.3g} clips/s with one process: "
        f"{format_count(measured.clips, 'clip')} of {FRAMES} frames of {SIDE}x{SIDE} in "
        f"{measured.seconds:.1f} s, from {measured.recordings} of "
        f"{format_count(measured.listed, 'recording')}{bad}"
    )
    return 0


def measure(
    source: Path,
    seconds: float,
    reader: str,
    folder_fps: float,
    timeout: float,
    display: ProgressDisplay,
) -> Speed:
    """Reads random clips of some recordings for `seconds`. Raises ManifestError without any."""
    listed, opened = open_some(source, reader, folder_fps, timeout, display)
    sampling = Sampling()
    recordings = [r for r in opened.recordings if why_no_clip(r, FRAMES, sampling) is None]
    if not recordings:
        reasons = [*opened.failures, *(f"{r.path}: is too short" for r in opened.recordings)]
        raise ManifestError(f"{source}: has no recording that can be read: {reasons[0]}")
    sampler = ClipSampler(recordings, FRAMES, {"": SamplingPlan(sampling)})
    clip_reader = ClipReader(recordings, sampler, Augmentation(), SIDE, SIDE, 1)
    too_short = len(opened.recordings) - len(recordings)
    unreadable, clips, position = len(opened.failures), 0, 0
    clip_reader.read(0, _rng_of(0))  # opens libraries
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds or not clips:
        read = clip_reader.read(position % sampler.reads_per_epoch, _rng_of(position))
        position += 1
        if not len(read.clips):
            raise read.failures[-1]
        clips += len(read.clips)
        unreadable += len(read.failures)
    return Speed(listed, len(recordings), too_short, unreadable, clips, passed)


def open_some(
    source: Path, reader: str, folder_fps: float, timeout: float, display: ProgressDisplay
) -> tuple[int, OpenedSource]:
    """The number of recordings of a source, and MAX_RECORDINGS of them, opened."""
    manifest = find_manifest(source)
    if manifest is not None:
        rows: list[Recording] = read_manifest(manifest)
        for name in {recording.reader for recording in rows}:
            require_reader(name)
        return len(rows), OpenedSource(_some(rows), [])
    listing = list_source(source)
    streams = listing.wanted_streams(LARGEST)
    chosen = {path: streams[path] for path in _some(listing.paths)}
    return len(streams), open_paths(chosen, reader, folder_fps, timeout, display)


def _show_nothing(events: Iterator[Event], jobs: Sequence[Job], activity: str) -> Iterator[Event]:
    """Standard output has the JSON document only."""
    return (event for event in events if event.outcome is not None)


def _some(items: list[Any]) -> list[Any]:
    """The same ones on each call and host, spread over the source at random."""
    count = min(MAX_RECORDINGS, len(items))
    chosen = np.random.default_rng(0).choice(len(items), count, replace=False)
    return [items[index] for index in sorted(chosen.tolist())]


def _rng_of(read: int) -> Callable[[int, str], np.random.Generator]:
    return lambda sample, stream: np.random.default_rng([read, sample, *stream.encode()])
