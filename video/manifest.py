"""Which recordings there are: folders, manifests and lists, read and written."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip


class ManifestError(ValueError):
    """What lists the recordings cannot be used; names the place and the cure."""

    exit_status = 2


@dataclass(frozen=True)
class Recording:
    """A video file and what opening it told; times are seconds from its first frame."""

    path: str
    fps: float  # average frames a second
    frames: int
    seconds: float  # from the first frame to the end of the last
    width: int  # as displayed: pixels that are not square are counted as squares
    height: int
    first: float  # time stamp of the first frame, in seconds of the file's own clock


def find_recordings(source: Path) -> list[str]:
    """The paths of all recordings of a source, in a fixed order, each once.

    A folder is searched with all its subfolders. A CSV file has a line of column names, one of
    them `path`. Any other text is a list in the form of VideoMAE's: `path`, `path label`,
    `path 0 -1`, or `path 0 -1 label`; what stands behind the path is not used. Relative paths
    start at the file's folder. Raises ManifestError.
    """
    if source.is_dir():
        found = sorted(str(path) for path in _walk(source))
        if not found:
            raise ManifestError(_nothing_found(source))
        return found
    if not source.exists():
        raise ManifestError(
            f"data.source: {source} does not exist; give a folder of recordings, a CSV file with "
            "a column `path`, or a list"
        )
    if source.suffix.lower() in SUFFIXES:
        return [str(source)]
    numbered = list(_listed(source))
    if not numbered:
        raise ManifestError(f"{source}: lists no recordings; write a line for each")
    lines: dict[str, int] = {}
    for number, path in numbered:
        if path in lines:
            raise ManifestError(
                f"{source}:{number}: {path} stands in line {lines[path]} too; remove one"
            )
        lines[path] = number
    return list(lines)


def _walk(folder: Path) -> Iterator[Path]:
    """Recordings below a folder, through links, each folder once; hidden files are not any."""
    entered = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        folders[:] = [] if real in entered else sorted(f for f in folders if f[0] != ".")
        if real not in entered:
            entered.add(real)
            yield from (
                Path(root, file)
                for file in files
                if file[0] != "." and Path(file).suffix.lower() in SUFFIXES
            )


def _nothing_found(folder: Path) -> str:
    kinds = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})[:8]
    what = f"holds no recordings, only {', '.join(kinds)}" if kinds else "is empty"
    return (
        f"data.source: {folder} {what}; put video files there "
        f"({', '.join(sorted(SUFFIXES)[:6])} ...) or name another folder"
    )


def _listed(file: Path) -> Iterator[tuple[int, str]]:
    """Line number and path of every recording in a CSV file or a list."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{file}: cannot be read as text ({error}); give a folder, a CSV file or a list"
        ) from None
    columns = next(csv.reader(io.StringIO(text)), [])
    if "path" in columns:
        rows = csv.DictReader(io.StringIO(text))
        listed = ((rows.line_num, row["path"] or "") for row in rows)
    elif len(columns) > 1:
        raise ManifestError(
            f"{file}:1: no column is named path, only {', '.join(columns)[:200]}; name one so"
        )
    else:
        lines = enumerate(text.splitlines(), start=1)
        listed = ((number, line.strip()) for number, line in lines if line.strip())
    for number, entry in listed:
        yield number, _existing(file, number, entry, as_list="path" not in columns)


def _existing(file: Path, number: int, entry: str, as_list: bool) -> str:
    """The file that a line names; in a list, up to three words behind it are not of its name."""
    words = entry.rsplit(maxsplit=3) if as_list else []
    candidates = [entry] + [entry.rsplit(maxsplit=n)[0] for n in (1, 2, 3) if len(words) > n]
    for candidate in filter(None, candidates):
        path = file.parent / candidate
        if path.is_dir():
            raise ManifestError(
                f"{file}:{number}: {candidate} is a folder, not a video file; list the files in it"
            )
        if path.exists():
            return str(path)
    raise ManifestError(
        f"{file}:{number}: {entry!r} names no file; correct the path (relative ones start at "
        f"{file.parent})"
    )


def write_manifest(recordings: Sequence[Recording], file: Path) -> None:
    """Writes recordings, a column for each field; the file is complete or absent."""
    draft = file.with_name(f".{file.name}.draft")
    with draft.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(Recording)])
        writer.writeheader()
        writer.writerows(asdict(recording) for recording in recordings)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def read_manifest(file: Path) -> list[Recording]:
    """What `write_manifest` wrote. Raises ManifestError where a line does not hold it."""
    kinds = {field.name: field.type for field in fields(Recording)}
    if not file.is_file():
        raise ManifestError(f"{file}: is missing; put it back, or give another run=FOLDER")
    with file.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text)
        recordings = []
        for row in rows:
            try:
                values = {name: kind(row[name]) for name, kind in kinds.items()}  # type: ignore[operator]
            except (KeyError, TypeError, ValueError) as error:
                raise ManifestError(
                    f"{file}:{rows.line_num}: is not complete ({error}); remove the file"
                ) from None
            recordings.append(Recording(**values))
    return recordings
