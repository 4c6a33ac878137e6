"""Recordings of which most timestamps have no label, as where labels count in another rate."""

import numpy as np

from finetune.data.labelled_set import LabelledSet
from video.labels.align import LabelTrack

MIN_LABELLED = 0.5  # share of a recording's timestamps
USUAL_FPS = (1.0, 2.0, 5.0, 10.0, 12.5, 15.0, 24.0, 25.0, 30.0, 50.0, 60.0)
TOLERANCE = 0.05  # of the length of a recording, within which labels end with it


def sparse_labels(labelled: LabelledSet, label_fps_key: str) -> list[str]:
    """A warning where few timestamps of recordings have a label.

    `label_fps_key` is the key or option for the rate of labels that count in frames.
    """
    tracks = [track for tracks in labelled.tracks.values() for track in tracks]
    sparse = [track for track in tracks if is_sparse(track)]
    if not sparse:
        return []
    worst = min(sparse, key=lambda track: track.labelled / len(track.times))
    last = f", the last at {worst.times[worst.known][-1]:g} s" if worst.labelled else ""
    return [
        f"warning: {len(sparse)} of {len(tracks)} recordings have labels at less than half of "
        f"their timestamps: {worst.recording.path} ({worst.recording.seconds:.1f} s) at "
        f"{worst.labelled:,} of {len(worst.times):,}{last}; {_cure(worst, label_fps_key)}"
    ]


def is_sparse(track: LabelTrack) -> bool:
    """Whether less than half of the timestamps have a label."""
    return track.ends is None and track.labelled < MIN_LABELLED * len(track.times)


def _cure(track: LabelTrack, label_fps_key: str) -> str:
    if track.label_fps is None:
        return "if more should have one, correct the times in the label file"
    cure = (
        f"its labels count in frames, {track.label_fps:g} a second: if that is not their rate, set "
        f"{label_fps_key}"
    )
    fitting = _fitting_fps(track, track.label_fps)
    return cure + (f"={fitting:g}, with which they end where the recording ends" if fitting else "")


def _fitting_fps(track: LabelTrack, label_fps: float) -> float | None:
    """The rate of the recording, or a usual one, with which the labels cover it; None: none."""
    known, seconds = track.times[track.known], track.recording.seconds
    if len(known) == 0 or len(track.times) < 2:
        return None
    begun = int(np.searchsorted(track.times, known[-1], side="right"))
    if len(known) < (1 - TOLERANCE) * begun:
        return None  # the labels have gaps, so that their end is not the cause
    frames = track.label_end * label_fps
    usual = (track.recording.fps, *USUAL_FPS)
    rates = [rate for rate in usual if abs(frames / rate / seconds - 1) < TOLERANCE]
    return min(rates, key=lambda rate: abs(frames / rate / seconds - 1), default=None)
