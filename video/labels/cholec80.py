"""Cholec80's text files: a frame number per line, then its phase or a 0 or 1 for each tool."""

import re
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from video.labels.csv_rows import parse_value, require_class_names
from video.labels.label_format import LabelOptions, first_line
from video.labels.segments import (
    LabelError,
    LabelFile,
    LabelSegment,
    MultiLabelFile,
    MultiLabelSegment,
)

FRAME = re.compile("[0-9]{1,12}")


def is_phase_text(text: str) -> bool:
    return first_line(text).split()[:2] == ["Frame", "Phase"]


def is_tool_text(text: str) -> bool:
    return first_line(text).split()[:1] == ["Frame"]


def read_phases(path: Path, text: str, options: LabelOptions) -> LabelFile:
    """The header `Frame Phase`, then a line for each frame, `label_fps` frames a second."""
    segments, fps = [], options.label_fps
    for number, line in enumerate(text.splitlines()[1:], start=2):
        if not line.strip():
            continue
        frame, _, phase = line.strip().partition("\t")
        if not FRAME.fullmatch(frame) or not phase.strip():
            raise LabelError(f"{path}:{number}: {line.strip()[:60]!r} is not a frame and its phase")
        begin, end = int(frame) / fps, (int(frame) + 1) / fps
        segments.append(LabelSegment(begin, end, phase.strip(), number))
    return LabelFile(str(path), {options.recording: segments}, in_frames=True)


def read_tools(path: Path, text: str, options: LabelOptions) -> MultiLabelFile:
    """The header `Frame Grasper Bipolar ...`, then a line for each annotated frame.

    A line is valid until the next one, but for at most the median step between lines: the last
    line, and one before a gap, do not extend further.
    """
    header, *lines = text.splitlines()
    separator = "\t" if "\t" in header else None
    classes = tuple(name.strip() for name in header.split(separator)[1:])
    if "Phase" in classes:
        raise LabelError(f"{path}:1: has a column Phase; set multi_label: false")
    require_class_names(path, classes)
    rows: list[tuple[int, tuple[int, ...], int]] = []
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        frame, *values = (cell.strip() for cell in line.split(separator))
        if not FRAME.fullmatch(frame) or len(values) != len(classes):
            raise LabelError(
                f"{path}:{number}: {line.strip()[:60]!r} is not a frame and {len(classes)} labels"
            )
        location = f"{path}:{number}"
        known = (parse_value(location, *pair) for pair in zip(classes, values, strict=True))
        rows.append((int(frame), tuple(known), number))
    segments = _until_next(rows, options.label_fps)
    return MultiLabelFile(str(path), classes, {options.recording: segments}, in_frames=True)


def _until_next(
    rows: list[tuple[int, tuple[int, ...], int]], fps: float
) -> list[MultiLabelSegment]:
    """Rows of frame number, values and line as segments."""
    frames = sorted({frame for frame, _, _ in rows})
    following = dict(pairwise(frames))
    step = median_low([following[frame] - frame for frame in following] or [max(round(fps), 1)])
    ends = {frame: min(frame + step, following.get(frame, frame + step)) for frame in frames}
    return [
        MultiLabelSegment(frame / fps, ends[frame] / fps, values, line)
        for frame, values, line in rows
    ]
