"""Which clips are looked at: labelled moments of a small set, or clips of the run's recordings."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from launch.rng import sample_rng
from pretrain.config import KnnProbeConfig, PretrainConfig
from pretrain.sources import Sources
from video.config import Sampling
from video.labels.align import LabelTrack, align_labels, classes_in_order, timestamps
from video.labels.label_files import LabelFiles, label_finder
from video.labels.segments import LabelError
from video.labels.single_label import read_labels
from video.open_source import open_source
from video.progress import show_progress
from video.recording import Recording

RATE = 1.0  # labelled moments a second, of which some are taken


class ProbeClips(NamedTuple):
    """Clips to read: the times of their frames, in which recording."""

    recordings: list[Recording]
    of: list[int]  # which recording each clip is of
    times: list[tuple[float, ...]]
    labels: list[int] | None  # None: nothing is known
    classes: tuple[str, ...]


def training_clips(config: PretrainConfig, sources: Sources) -> ProbeClips:
    """Clips of the run's own recordings, evenly over an epoch."""
    reads = sources.sampler.reads_per_epoch
    count = min(config.log.feature_clips, reads)
    positions = np.linspace(0, reads - 1, count).astype(int).tolist()
    places = [sources.sampler.draw(p, sample_rng(config.seed, 0, p, "clip")) for p in positions]
    return ProbeClips(
        sources.recordings,
        [place.recording for place in places],
        [place.times for place in places],
        None,
        (),
    )


def labelled_clips(config: PretrainConfig, probe: KnnProbeConfig) -> ProbeClips:
    """Moments of the probe's set, evenly over its labelled seconds, each in the middle of a clip.

    Raises LabelError and ManifestError, and LabelError where a probe would say nothing: with one
    class, or one recording.
    """
    opened = open_source(
        Path(probe.source),
        config.data.reader,
        probe.folder_fps,
        config.data.read_timeout,
        show_progress,
    )
    if opened.failures:
        raise LabelError(f"probe.source: {opened.failures[0]}; take it out of the set")
    tracks, classes = _tracks(opened.recordings, probe)
    known = [
        (number, float(time), int(label))
        for number, track in enumerate(tracks)
        for time, label in zip(track.times[track.known], track.labels[track.known], strict=True)
    ]
    if len(classes) < 2 or len({number for number, _, _ in known}) < 2:
        raise LabelError(
            f"probe.labels: {len(classes)} classes in {len(tracks)} recordings; a probe tells "
            "moments of one recording by those of others, give two of each or more"
        )
    count = min(config.log.feature_clips, len(known))
    chosen = [known[i] for i in np.linspace(0, len(known) - 1, count).astype(int)]
    sampling = config.data.sampling
    return ProbeClips(
        opened.recordings,
        [number for number, _, _ in chosen],
        [
            _around(time, opened.recordings[number], config.encoder.num_frames, sampling)
            for number, time, _ in chosen
        ],
        [label for _, _, label in chosen],
        classes,
    )


def _tracks(
    recordings: Sequence[Recording], probe: KnnProbeConfig
) -> tuple[list[LabelTrack], tuple[str, ...]]:
    held = LabelFiles(
        label_finder(probe.labels),
        lambda path, name: read_labels(path, name, probe.label_fps, probe.category),
    )
    files = [held.lookup(recording) for recording in recordings]
    classes = classes_in_order([file.segments[name] for file, name in files])
    tracks = [
        align_labels(
            recording, timestamps(recording, RATE), file.segments[name], classes, file.path
        )
        for recording, (file, name) in zip(recordings, files, strict=True)
    ]
    return tracks, classes


def _around(
    moment: float, recording: Recording, frames: int, sampling: Sampling
) -> tuple[float, ...]:
    """Frames of a clip at the training's pace; they stop where the recording does."""
    step = sampling.step_seconds(recording.fps)
    last = max(recording.seconds - 1 / recording.fps, 0.0)
    times = moment + (np.arange(frames) - frames // 2) * step
    return tuple(np.clip(times, 0.0, last).tolist())
