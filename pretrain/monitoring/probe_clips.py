"""Choice of the probe clips: from a small labelled set, or from the run's own recordings."""

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
from video.manifest import naming_key
from video.open_source import open_source
from video.progress import show_progress
from video.recording import Recording, WantedStream

RATE = 1.0  # labelled timestamps per second, from which the clips are chosen


class ProbeClips(NamedTuple):
    """Clips to read."""

    recordings: list[Recording]
    recording_index: list[int]  # of each clip
    times: list[tuple[float, ...]]  # seconds of the frames of each clip
    labels: list[int] | None  # index of each clip's class; None: no labels
    classes: tuple[str, ...]


def training_clips(config: PretrainConfig, sources: Sources) -> ProbeClips:
    """Clips of the run's own recordings, evenly spaced over an epoch."""
    reads = sources.sampler.reads_per_epoch
    count = min(config.log.feature_clips, reads)
    positions = np.linspace(0, reads - 1, count).astype(int).tolist()
    locations = [sources.sampler.draw(p, sample_rng(config.seed, 0, p, "clip")) for p in positions]
    return ProbeClips(
        sources.recordings,
        [location.recording for location in locations],
        [location.times for location in locations],
        None,
        (),
    )


def labelled_clips(config: PretrainConfig, probe: KnnProbeConfig) -> ProbeClips:
    """Clips centred at labelled timestamps, evenly spaced over the labelled time of the set.

    Raises ManifestError, and LabelError for labels that are wrong, of one class only, or of one
    recording only.
    """
    with naming_key("knn_probe.source"):
        opened = open_source(
            Path(probe.source),
            config.data.reader,
            probe.folder_fps,
            config.data.read_timeout,
            show_progress,
            WantedStream(probe.stream),
        )
    if opened.failures:
        raise LabelError(f"knn_probe.source: {opened.failures[0]}; remove it from the set")
    tracks, classes = _tracks(opened.recordings, probe)
    known = [
        (number, float(time), int(label))
        for number, track in enumerate(tracks)
        for time, label in zip(track.times[track.known], track.labels[track.known], strict=True)
    ]
    if len(classes) < 2 or len({number for number, _, _ in known}) < 2:
        raise LabelError(
            f"knn_probe.labels: {len(classes)} classes in {len(tracks)} recordings; k-NN needs "
            "neighbours from other recordings, give two or more of each"
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
    labels = LabelFiles(
        label_finder(probe.labels),
        lambda path, name: read_labels(path, name, probe.label_fps, probe.category),
    )
    files = [labels.lookup(recording) for recording in recordings]
    classes = classes_in_order([file.segments[name] for file, name in files])
    tracks = [
        align_labels(
            recording, timestamps(recording, RATE), file.segments[name], classes, file.path
        )
        for recording, (file, name) in zip(recordings, files, strict=True)
    ]
    return tracks, classes


def _around(
    timestamp: float, recording: Recording, frames: int, sampling: Sampling
) -> tuple[float, ...]:
    """Times of a clip's frames at the training's frame rate, clamped to the recording."""
    step = sampling.step_seconds(recording.fps)
    last = max(recording.seconds - 1 / recording.fps, 0.0)
    times = timestamp + (np.arange(frames) - frames // 2) * step
    return tuple(np.clip(times, 0.0, last).tolist())
