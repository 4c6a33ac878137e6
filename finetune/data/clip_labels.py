"""Labelled clips joined to their recordings: each is an interval of one, with its label."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finetune.data.class_index import LabelOf, index_labels
from finetune.data.clip_lists import ClipsByPart
from finetune.data.labelled_set import LabelledSet
from finetune.data.splits import PARTS, SplitError, identities_of, read_split, recordings_of
from launch.report.formatting import format_count
from video.labels.align import TIME_TOLERANCE, LabelTrack, label_origin
from video.labels.segments import ClipEntry, LabelError
from video.recording import Recording


class PlacedClip(NamedTuple):
    """A clip in its recording, in seconds from the recording's time 0."""

    entry: ClipEntry
    recording: Recording
    begin: float
    end: float


def label_clips(
    recordings: Sequence[Recording],
    entries_by_part: Mapping[str, Sequence[ClipEntry]],
    classes: Sequence[str] | None = None,
    allow_shared_recordings: bool = False,
    split: Path | None = None,
) -> LabelledSet:
    """Finds the recording of each clip, and the index of its label.

    `recordings`: those that could be opened, or those prepared from them, in any order. `split`:
    divides entries that are all `train`. `classes`: class names; None takes the labels of all
    parts, sorted. Integer labels are names in numeric order, or indices of `classes`.

    Raises LabelError and SplitError with file and line.
    """
    find = _recording_finder(recordings)
    notes: list[str] = []
    if split is not None:
        entries_by_part, notes = _divide(entries_by_part, recordings, split, find)
    parts = {part: entries_by_part[part] for part in PARTS if part in entries_by_part}
    names, label_of = index_labels([each for part in parts.values() for each in part], classes)
    placed: dict[str, list[PlacedClip]] = {}
    unopened: list[tuple[str, ClipEntry]] = []
    for part, entries in parts.items():
        found = [(entry, find(entry)) for entry in entries]
        placed[part] = [_place(entry, recording) for entry, recording in found if recording]
        unopened += [(part, entry) for entry, recording in found if recording is None]
        if not placed[part]:
            raise LabelError(
                f"{part}: the recordings of all its {len(entries)} clips could not be opened"
                + (f"; the first: {unopened[-len(entries)][1].description}" if entries else "")
            )
        _require_unique(placed[part])
    notes += _require_separate_parts(placed, allow_shared_recordings)
    tracks = {part: list(_tracks(clips, label_of)) for part, clips in placed.items()}
    return LabelledSet(names, tracks, tuple(unopened), tuple(notes))


def _recording_finder(
    recordings: Sequence[Recording],
) -> Callable[[ClipEntry], Recording | None]:
    """Finds the recording of an entry: the one at its path, or the one prepared from it."""
    exact = {os.path.realpath(recording.path): recording for recording in recordings}
    prepared: dict[str, list[Recording]] = {}
    for recording in exact.values():
        if recording.original:
            prepared.setdefault(os.path.realpath(recording.original), []).append(recording)

    def find(entry: ClipEntry) -> Recording | None:
        path = os.path.realpath(entry.path)
        found = [exact[path]] if path in exact else prepared.get(path, [])
        if len(found) > 1:
            raise LabelError(
                f"{entry.location}: {entry.path} may be {found[0].path} or {found[1].path}; "
                "give the path of one"
            )
        return found[0] if found else None

    return find


def _divide(
    entries_by_part: Mapping[str, Sequence[ClipEntry]],
    recordings: Sequence[Recording],
    split: Path,
    find: Callable[[ClipEntry], Recording | None],
) -> tuple[ClipsByPart, list[str]]:
    """The entries by part of a split, and notes on those that belong to no part."""
    if set(entries_by_part) != {"train"}:
        parts = ", ".join(entries_by_part)
        raise SplitError(f"{split}: the clips are divided into {parts} already; give no split")
    of_parts = recordings_of(read_split(split), recordings, split)
    part_of = {recording.path: part for part, own in of_parts.items() for recording in own}
    divided: ClipsByPart = {part: [] for part in of_parts}
    without_part: list[ClipEntry] = []
    for entry in entries_by_part["train"]:
        recording = find(entry)
        part = part_of.get(recording.path) if recording else None
        (divided[part] if part else without_part).append(entry)
    if not without_part:
        return divided, []
    return divided, [
        f"{len(without_part):,} clips are ignored: {split} does not name their recordings, or "
        f"these could not be opened; the first: {without_part[0].description}"
    ]


def _place(entry: ClipEntry, recording: Recording) -> PlacedClip:
    """Raises LabelError if an interval is outside its recording by more than one frame."""
    origin, frame = label_origin(recording), 1 / recording.fps + TIME_TOLERANCE
    begin = 0.0 if entry.start is None else entry.start - origin
    end = recording.seconds if entry.end is None else entry.end - origin
    if begin < -frame or end > recording.seconds + frame or begin >= recording.seconds:
        until = origin + recording.seconds
        raise LabelError(
            f"{entry.location}: the clip is from {begin + origin:g} to {end + origin:g} s, but "
            f"{recording.path} is from {origin:g} to {until:g} s"
        )
    begin, end = max(begin, 0.0), min(end, recording.seconds)
    empty = sum(max(min(end, b) - max(begin, a), 0.0) for a, b in recording.holes)
    if end - begin - empty < TIME_TOLERANCE:
        raise LabelError(
            f"{entry.location}: {recording.path} has no frames from {begin + origin:g} to "
            f"{end + origin:g} s; remove the clip"
        )
    return PlacedClip(entry, recording, begin, end)


def _require_unique(placed: Sequence[PlacedClip]) -> None:
    seen: dict[tuple[str, float, float], ClipEntry] = {}
    for entry, recording, begin, end in placed:
        first = seen.setdefault((recording.path, begin, end), entry)
        if first is not entry:
            raise LabelError(
                f"{entry.location}: is the same clip as {first.location}, {recording.path} from "
                f"{begin:g} to {end:g} s; remove one"
            )


def _require_separate_parts(
    placed: Mapping[str, Sequence[PlacedClip]], allow_shared: bool
) -> list[str]:
    """Notes on recordings with clips in several parts.

    Raises SplitError if that is not allowed, or if clips of different parts overlap.
    """
    by_identity: dict[str, dict[str, list[PlacedClip]]] = {}
    for part, clips in placed.items():
        for of_recording in _by_recording(clips).values():
            for identity in identities_of(of_recording[0].recording):
                by_identity.setdefault(identity, {}).setdefault(part, []).extend(of_recording)
    shared: dict[tuple[str, ...], set[str]] = {}
    for parts in by_identity.values():
        if len(parts) < 2:
            continue
        first_of_each = [(part, clips[0]) for part, clips in parts.items()]
        conflict = _overlap(parts) if allow_shared else first_of_each
        if conflict:
            (one, first), (other, second) = conflict[:2]
            raise SplitError(
                f"{second.entry.description} in {other} is the same recording as "
                f"{first.entry.description} in {one}; "
                + ("the intervals overlap" if allow_shared else "a recording belongs to one part")
            )
        first_part = next(iter(parts))
        names = {clip.recording.path for clip in parts[first_part]}
        shared.setdefault(tuple(parts), set()).update(names)
    return [
        f"{' and '.join(parts)} share {format_count(len(names), 'recording')}, in intervals "
        "without overlap"
        for parts, names in shared.items()
    ]


def _overlap(parts: Mapping[str, Sequence[PlacedClip]]) -> list[tuple[str, PlacedClip]]:
    """Two clips of different parts that overlap in time, with their parts; empty if none do."""
    clips = [(part, clip) for part, own in parts.items() for clip in own]
    latest: dict[str, PlacedClip] = {}  # of each part, the clip with the latest end so far
    for part, clip in sorted(clips, key=lambda each: each[1].begin):
        for other, before in latest.items():
            if other != part and clip.begin < before.end - TIME_TOLERANCE:
                return [(other, before), (part, clip)]
        if part not in latest or latest[part].end < clip.end:
            latest[part] = clip
    return []


def _tracks(placed: Sequence[PlacedClip], label_of: LabelOf) -> Iterator[LabelTrack]:
    for clips in _by_recording(placed).values():
        clips.sort(key=lambda clip: (clip.begin, clip.end))
        times = np.array([clip.begin for clip in clips], dtype=np.float64)
        until = np.array([clip.end for clip in clips], dtype=np.float64)
        labels = np.array([label_of(clip.entry) for clip in clips], dtype=np.int64)
        yield LabelTrack(clips[0].recording, times, labels, 0, 0, until)


def _by_recording(placed: Sequence[PlacedClip]) -> dict[str, list[PlacedClip]]:
    by_path: dict[str, list[PlacedClip]] = {}
    for clip in placed:
        by_path.setdefault(clip.recording.path, []).append(clip)
    return by_path
