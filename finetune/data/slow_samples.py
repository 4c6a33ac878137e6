"""Recordings that are too slow for the frames of a sample, or for the rate of samples."""

import numpy as np
from jaxtyping import Float

from finetune.data.dataset_kinds import DatasetConfig
from finetune.data.interval import Interval
from finetune.data.labelled_set import LabelledSet
from video.slow_recordings import slow_recordings

FRAMES = 16  # of a sample, where its number is not known yet
LONG = 1e4  # seconds: a sample in the middle of a recording that is long enough for it


def slow_samples(labelled: LabelledSet, dataset: DatasetConfig) -> list[str]:
    """Warnings where the frames of a sample, or neighbouring samples, are the same picture."""
    tracks = [track for tracks in labelled.tracks.values() for track in tracks]
    of_clips = any(track.ends is not None for track in tracks)
    recordings = list({t.recording.path: t.recording for t in tracks}.values())

    def frames_of_sample(fps: float) -> Float[np.ndarray, " t"]:
        interval = Interval(LONG, 2 * LONG if of_clips else None, fps, 3 * LONG)
        return np.asarray(dataset.sampling.test_times(interval, FRAMES, 1)[0, 0])

    lines = slow_recordings(
        recordings,
        frames_of_sample,
        "sampling: ",
        "sample fewer frames per second, or give the true rate of folders (folder_fps)",
    )
    rate = getattr(dataset, "rate", None)
    if rate and not of_clips:
        lines += slow_recordings(
            recordings,
            lambda fps: np.arange(FRAMES) / rate,
            f"rate {rate:g}: ",
            "lower rate, or give the true rate of folders (folder_fps)",
        )
    return lines
