"""Finds the recordings of a source: a folder, a CSV file, a list, or a single file."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from video.file_signature import looks_like_video
from video.manifest import ManifestError
from video.numbered_images import NUMBERED, has_numbered
from video.recording import WantedStream
from video.recording_lists import listed_recordings

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
PACK_SUFFIX = ".frames"  # a prepared recording
RECORDING_SUFFIXES = VIDEO_SUFFIXES | {PACK_SUFFIX}


class SourceListing(NamedTuple):
    """The recordings of a source, and the other files of a folder."""

    paths: list[str]  # each once, in a fixed order
    by_content: list[str]  # those of them whose suffix is not one of a video
    others: Counter[str]  # number of other files by suffix
    streams: Mapping[str, int] = MappingProxyType({})  # of the recordings that a list gives one
    is_single_file: bool = False

    def wanted_streams(self, of_all: WantedStream) -> dict[str, WantedStream]:
        """The video stream to read of each recording: its own, or that of all."""
        if self.is_single_file:
            of_all = of_all._replace(is_own=True)
        own = {path: WantedStream(index, is_own=True) for path, index in self.streams.items()}
        return {path: own.get(path, of_all) for path in self.paths}

    def notes(self) -> list[str]:
        """What a user should know about the files of a folder."""
        notes = []
        if self.by_content:
            named = ", ".join(Path(path).name for path in self.by_content[:5])
            more = " ..." if len(self.by_content) > 5 else ""
            notes.append(f"taken for video by content: {len(self.by_content)} ({named}{more})")
        if self.others:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.others.items()))
            notes.append(f"not looked at: {counts}")
        return notes


def find_recordings(source: Path) -> list[str]:
    """The paths of `list_source`."""
    return list_source(source).paths


def list_source(source: Path) -> SourceListing:
    """Finds all recordings of a source.

    A folder is searched recursively for files with the suffix or the content of a video; a
    subfolder with numbered images and no video files is a recording. A CSV file has a header with
    a column `path`, and may have a column `stream`. Any other text is a list in VideoMAE's format:
    `path`, `path label`, `path 0 -1`, or `path 0 -1 label`; only the path is used. Relative paths
    start at the file's folder. Raises ManifestError.
    """
    if source.is_dir():
        found = _list_folder(source)
        if not found.paths:
            raise ManifestError(_nothing_found(source))
        return found
    if not source.exists():
        raise ManifestError(
            f"{source} does not exist; give a folder of recordings, a CSV file with "
            "a column `path`, or a list"
        )
    if source.suffix.lower() in RECORDING_SUFFIXES or looks_like_video(source):
        return SourceListing([str(source)], [], Counter(), is_single_file=True)
    listed = list(listed_recordings(source))
    if not listed:
        raise ManifestError(f"{source}: lists no recordings; write a line for each recording")
    lines: dict[str, int] = {}
    for each in listed:
        if each.path in lines:
            raise ManifestError(
                f"{source}:{each.line}: {each.path} is also in line {lines[each.path]}; remove one"
            )
        lines[each.path] = each.line
    streams = {each.path: each.stream for each in listed if each.stream is not None}
    return SourceListing(list(lines), [], Counter(), streams)


def _list_folder(folder: Path) -> SourceListing:
    found: list[str] = []
    by_content: list[str] = []
    others: Counter[str] = Counter()
    for root, files in _walk(folder):
        videos = [file for file in files if file.suffix.lower() in RECORDING_SUFFIXES]
        is_recording = not videos and has_numbered(file.name for file in files)
        found += [str(file) for file in videos] + ([str(root)] if is_recording else [])
        for file in files:
            if file in videos or (is_recording and NUMBERED.match(file.name)):
                continue
            if looks_like_video(file):
                by_content.append(str(file))
            else:
                others[file.suffix.lower() or "without suffix"] += 1
    return SourceListing(sorted(found + by_content), sorted(by_content), others)


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder with its files. Follows links, visits each folder once, and skips hidden
    files."""
    entered = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        real = os.path.realpath(root)
        folders[:] = [] if real in entered else sorted(f for f in folders if f[0] != ".")
        if real in entered:
            continue
        entered.add(real)
        yield Path(root), sorted(Path(root, file) for file in files if file[0] != ".")


def _refuse(error: OSError) -> None:
    raise ManifestError(
        f"folder {error.filename} cannot be listed ({error.strerror}); change its "
        "permissions, or list the recordings in a file"
    )


def _nothing_found(folder: Path) -> str:
    kinds = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})[:8]
    what = f"contains no recordings, only {', '.join(kinds)}" if kinds else "is empty"
    return (
        f"{folder} {what}; add video files "
        f"({', '.join(sorted(VIDEO_SUFFIXES)[:6])} ...) or folders of numbered images, or choose "
        "another folder"
    )
