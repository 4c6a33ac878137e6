"""Recordings whose files are no longer those that a manifest describes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from video.fingerprint import content_digest
from video.recording import Recording
from video.text_table import single_line

THREADS = 16  # the digests wait for the storage, not for the processor
NAMED = 3  # recordings of each kind that a message names
ABSENT, CHANGED = "missing or not readable", "changed"


class ChangedFiles(NamedTuple):
    """Paths of recordings whose files differ from what is known of them."""

    missing: list[str]  # or not readable
    changed: list[str]  # another content, or another size where no content is known


def find_changed_files(recordings: Sequence[Recording]) -> ChangedFiles:
    """Compares each file with the content digest of its recording."""
    pairs = list(zip(recordings, _digests(recordings), strict=True))
    return ChangedFiles(
        [recording.path for recording, digest in pairs if digest is None],
        [recording.path for recording, digest in pairs if digest and _differs(recording, digest)],
    )


def find_moved(recordings: Sequence[Recording], candidates: Sequence[str]) -> dict[str, str]:
    """The paths of candidates that have the content of a recording, by its former path.

    No candidate is that of two recordings. Those without a known content are not found.
    """
    wanted = [recording for recording in recordings if recording.content]
    sizes = {each.bytes for each in wanted if each.bytes is not None}
    is_open = any(each.bytes is None for each in wanted)  # a folder, or a former manifest
    sized = [
        path
        for path in sorted(candidates)
        if Path(path).is_dir() or is_open or _size(path) in sizes
    ]
    by_content: dict[str, list[str]] = {}
    for path, digest in zip(sized, _digests_of(sized), strict=True):
        by_content.setdefault(digest or "", []).append(path)
    return {
        recording.path: found.pop(0)
        for recording in wanted
        if (found := by_content.get(recording.content))
    }


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size
    except OSError:
        return None


def contents_now(recordings: Sequence[Recording]) -> list[Recording]:
    """Those whose files have changed, with the digest of what they are now."""
    pairs = zip(recordings, _digests(recordings), strict=True)
    return [
        replace(recording, content=digest)
        for recording, digest in pairs
        if digest and _differs(recording, digest)
    ]


def with_contents(recordings: Sequence[Recording]) -> list[Recording]:
    """The recordings, with a content digest also where a manifest has none."""
    unknown = [recording for recording in recordings if not recording.content]
    digests = dict(zip((each.path for each in unknown), _digests(unknown), strict=True))
    return [
        recording
        if recording.content
        else replace(recording, content=digests[recording.path] or "")
        for recording in recordings
    ]


def _digests(recordings: Sequence[Recording]) -> list[str | None]:
    return _digests_of([recording.path for recording in recordings])


def _digests_of(paths: Sequence[str]) -> list[str | None]:
    """The content digest of each file; None where it cannot be read."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_digest, paths))


def _digest(path: str) -> str | None:
    if not Path(path).is_file() and not Path(path).is_dir():  # opening a pipe would wait for ever
        return None
    try:
        return content_digest(path)
    except OSError:
        return None


def _differs(recording: Recording, digest: str) -> bool:
    if recording.content:
        return digest != recording.content
    path = Path(recording.path)
    return not path.is_dir() and recording.bytes not in (None, path.stat().st_size)


def describe_changes(changes: Mapping[str, Sequence[str]]) -> str:
    """`2 changed (a.mp4, b.mp4), 1 missing (c.mp4)` of paths by kind; "" if there are none."""
    described = ", ".join(
        f"{len(paths):,} {kind} ({', '.join(paths[:NAMED])}{', ...' * (len(paths) > NAMED)})"
        for kind, paths in changes.items()
        if paths
    )
    return single_line(described)


def printable(path: str) -> str:
    """A path whose bytes are not UTF-8 as text that can be printed and written."""
    return path.encode("utf-8", "backslashreplace").decode()
