"""What labels were found: counts by recording and by class, and what did not fit."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from video.labels.align import LabelTrack
from video.labels.segments import MISSING
from video.text_table import format_count

MAX_CLASSES = 20  # up to which each is named
MOST_FREQUENT, MAX_NAMES = 10, 4  # of more classes


def label_report(tracks: Sequence[LabelTrack], classes: Sequence[str]) -> list[str]:
    """Counts of samples by recording and by class, and of labels that did not fit.

    Labelled clips, of which there may be one per recording, are counted together.
    """
    of_clips = any(track.ends is not None for track in tracks)
    multi_label = any(track.is_multi_label for track in tracks)
    what = "labelled clip" if of_clips else "labelled timestamp"
    lines = [
        f"{track.recording.path}: {format_count(track.labelled, what)}{_notes(track)}"
        for track in tracks
        if track.ends is None
    ]
    labelled = sum(track.labelled for track in tracks)
    unlabelled = sum(track.unlabelled for track in tracks) if of_clips else 0
    note = f" ({unlabelled} without label)" if unlabelled else ""
    shares = _positive_shares(tracks, classes) if multi_label else _class_shares(tracks, classes)
    recordings = format_count(len(tracks), "recording")
    lines.append(f"{format_count(labelled, what)} of {recordings}{note}: {shares}")
    return lines


def _notes(track: LabelTrack) -> str:
    counts = {
        "without label": track.unlabelled,
        "segments out of range": track.out_of_range,
        "conflicting": track.conflicting,
    }
    notes = [f"{count} {what}" for what, count in counts.items() if count]
    return f" ({', '.join(notes)})" if notes else ""


def _class_shares(tracks: Sequence[LabelTrack], classes: Sequence[str]) -> str:
    counts = np.zeros(len(classes), dtype=np.int64)
    for track in tracks:
        counts += np.bincount(track.labels[track.known], minlength=len(classes))
    return _shares(classes, counts, np.full(len(classes), counts.sum()), "{:.0%}")


def _positive_shares(tracks: Sequence[LabelTrack], classes: Sequence[str]) -> str:
    """For each class, the share of positives among its known labels."""
    labels = np.concatenate([track.labels for track in tracks])
    known, positive = (labels != MISSING).sum(axis=0), (labels == 1).sum(axis=0)
    unknown = f"{labels.size - int(known.sum()):,} of {labels.size:,} labels are unknown"
    return f"{_shares(classes, positive, known, '{:.1%}')}; {unknown}"


def _shares(
    classes: Sequence[str],
    counts: Int64[np.ndarray, " c"],
    known: Int64[np.ndarray, " c"],
    form: str,
) -> str:
    """Each class with its share; of many classes the most frequent, and how many occur or not."""
    shares: Float[np.ndarray, " c"] = counts / np.maximum(known, 1)

    def text(i: int) -> str:
        return f"{classes[i]} {form.format(shares[i]) if known[i] else 'unknown'}"

    if len(classes) <= MAX_CLASSES:
        return ", ".join(map(text, range(len(classes))))
    order = np.argsort(-shares, kind="stable")
    found = [int(i) for i in order if counts[i]]
    never = [int(i) for i in order if not counts[i]]
    parts = [text(i) for i in found[:MOST_FREQUENT]]
    if rarer := found[MOST_FREQUENT:]:
        parts.append(f"{len(rarer)} more of at most {form.format(shares[rarer[0]])}")
    if never:
        names = ", ".join(classes[i] for i in never[:MAX_NAMES])
        more = ", ..." if len(never) > MAX_NAMES else ""
        parts.append(f"{len(never)} of {len(classes)} classes never ({names}{more})")
    return ", ".join(parts)
