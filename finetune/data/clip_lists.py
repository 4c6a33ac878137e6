"""Lists of labelled clips, by part. CLIP_LIST_FORMATS has one row per format."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from finetune.data.class_folders import part_folders, read_class_folders
from finetune.data.clip_files import is_clip_csv, read_clip_csv, read_path_label_lines
from finetune.data.splits import PARTS
from video.labels.csv_rows import read_label_text
from video.labels.segments import ClipEntry, LabelError

ClipsByPart = dict[str, list[ClipEntry]]


class ClipListFormat(NamedTuple):
    """A format of lists of labelled clips."""

    matches: Callable[[Path, str], bool]  # by the path and the first line; "" for a folder
    read: Callable[[Path], Iterator[ClipEntry]]  # raises LabelError with file and line


CLIP_LIST_FORMATS = {
    "path_label_lines": ClipListFormat(lambda path, line: path.is_file(), read_path_label_lines),
    "csv": ClipListFormat(is_clip_csv, read_clip_csv),
    "class_folders": ClipListFormat(lambda path, line: path.is_dir(), read_class_folders),
}
"""The formats; later rows are tried first."""


def read_parts(clips: Path | Mapping[str, Path]) -> ClipsByPart:
    """The clips of each part.

    `clips` is one of: a list, CSV file or folder for each part; a path with `{part}`, of which the
    existing ones are read; a folder with subfolders `train`, `val` or `test`; or anything that
    `read_clips` accepts, which is then all `train`. Raises LabelError.
    """
    if isinstance(clips, Mapping):
        for part in clips:
            if part not in PARTS:
                raise LabelError(f"clips: {part!r} is none of {', '.join(PARTS)}")
        return {part: read_clips(clips[part]) for part in PARTS if part in clips}
    if "{part}" in str(clips):
        paths = {part: Path(str(clips).replace("{part}", part)) for part in PARTS}
        existing = {part: path for part, path in paths.items() if path.exists()}
        if not existing:
            tried = ", ".join(str(path) for path in paths.values())
            raise LabelError(f"{clips}: no such list; tried {tried}")
        return read_parts(existing)
    folders = part_folders(clips) if clips.is_dir() else {}
    return read_parts(folders) if folders else {"train": read_clips(clips)}


def read_clips(path: Path) -> list[ClipEntry]:
    """The clips of a list, a CSV file or class folders. Raises LabelError with file and line."""
    first_line = "" if path.is_dir() else read_label_text(path).partition("\n")[0]
    for each in reversed(CLIP_LIST_FORMATS.values()):
        if each.matches(path, first_line):
            clips = list(each.read(path))
            if not clips:
                raise LabelError(f"{path}: contains no clips")
            return clips
    raise LabelError(f"{path}: is none of the formats {', '.join(CLIP_LIST_FORMATS)}")


def paths_of(entries: Iterable[ClipEntry]) -> list[str]:
    """The files to open: absolute paths without repetitions, in the order of the clips."""
    first: dict[str, str] = {}
    for entry in entries:
        first.setdefault(os.path.realpath(entry.path), entry.path)
    return list(first.values())
