"""Labels with a line for each frame of a recording, read at another rate than the recording's."""

from finetune.data.labelled_set import LabelledSet
from finetune.data.sparse_labels import is_sparse
from video.labels.align import LabelTrack

TOLERANCE = 0.02  # of the number of frames
MIN_SHIFT = 0.5  # seconds by which the last label is shifted


def frame_labels(labelled: LabelledSet, label_fps_key: str) -> list[str]:
    """A warning where labels count the frames of their recording, but not at its frame rate.

    `label_fps_key` is the key or option for the rate of labels that count in frames. Sparse labels
    have a warning of their own.
    """
    tracks = [track for tracks in labelled.tracks.values() for track in tracks]
    shifted = [track for track in tracks if _is_shifted(track) and not is_sparse(track)]
    if not shifted:
        return []
    first, rates = shifted[0], sorted({f"{track.recording.fps:g}" for track in shifted}, key=float)
    counted = round(first.label_end * (first.label_fps or 0))
    if len(rates) == 1:
        cure = f"set {label_fps_key}={rates[0]}"
    else:
        cure = (
            f"the frame rates are {', '.join(rates)}: give a CSV file with times in seconds, or "
            f"recordings of each rate alone, with {label_fps_key}"
        )
    return [
        f"warning: {len(shifted)} of {len(tracks)} recordings have a label for each frame, but "
        f"another frame rate than their labels: {first.recording.path} has "
        f"{first.recording.frames:,} frames, {first.recording.fps:g} a second, and labels up to "
        f"frame {counted:,}, read as {first.label_fps:g} a second, so that the last is shifted by "
        f"{_shift(first):.1f} s; {cure}"
    ]


def _is_shifted(track: LabelTrack) -> bool:
    """Whether labels end with the frames of the recording, but not with its time."""
    if track.label_fps is None:
        return False
    frames = track.recording.frames
    off = abs(track.label_end * track.label_fps - frames)
    off_in_time = abs(track.label_end - track.recording.seconds) * track.label_fps
    return off <= TOLERANCE * frames and off < off_in_time and _shift(track) >= MIN_SHIFT


def _shift(track: LabelTrack) -> float:
    """Seconds between the last label and the frame that it counts."""
    frame = track.label_end * (track.label_fps or 0)
    return abs(frame / track.recording.fps - track.label_end)
