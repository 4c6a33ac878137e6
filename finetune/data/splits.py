"""Which recordings are for training, validation and test: a file, checked before anything is read.

    train: [VID68, VID70, VID73]
    val: [VID74]
    test: [VID75]

A recording is named by its path, or by its name with or without ending. Parts are of recordings,
never of frames. There may be a `note`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from video.exclude import recording_names
from video.recording import Recording

PARTS = ("train", "val", "test")
SHIPPED = Path(__file__).parents[1] / "recipes/splits"
NOTE = "note"


class SplitError(ValueError):
    """A split that cannot be used: file, line, and what is wrong."""

    exit_status = 2
    on_every_process = True


class Entry(NamedTuple):
    name: str
    line: int  # from 1


Split = dict[str, list[Entry]]
"""Entries by part; a part that a file has not is not there."""


def find_split(named: Path) -> Path:
    """The file itself, or the shipped one of that name; raises SplitError."""
    shipped = SHIPPED / f"{named}.yaml"
    if named.is_file() or not shipped.is_file():
        if not named.exists():
            names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.yaml")))
            raise SplitError(f"{named}: no such file, nor one of the shipped splits {names}")
        return named
    return shipped


def read_split(path: Path) -> Split:
    """Raises SplitError with file and line where a part is empty or a name stands twice."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SplitError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise SplitError(f"{path}: is not YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(root, yaml.MappingNode):
        raise SplitError(f"{path}:1: a split is {', '.join(PARTS)}, each with a list of recordings")
    split: Split = {}
    for key, node in root.value:
        line = key.start_mark.line + 1
        if key.value == NOTE:
            continue
        if key.value not in PARTS:
            raise SplitError(f"{path}:{line}: {key.value!r} is none of {', '.join(PARTS)}, {NOTE}")
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise SplitError(f"{path}:{line}: {key.value} names no recording; drop it or fill it")
        split[key.value] = list(_entries(path, node))
    if "train" not in split and "test" not in split:
        raise SplitError(f"{path}: has neither train nor test")
    _require_once(path, split)
    return split


def _entries(path: Path, node: yaml.SequenceNode) -> Iterator[Entry]:
    for item in node.value:
        line = item.start_mark.line + 1
        if not isinstance(item, yaml.ScalarNode) or not item.value:
            raise SplitError(f"{path}:{line}: is not the name of a recording")
        yield Entry(item.value, line)


def _require_once(path: Path, split: Split) -> None:
    seen: dict[str, tuple[str, int]] = {}
    for part, entries in split.items():
        for entry in entries:
            if entry.name in seen:
                other, line = seen[entry.name]
                raise SplitError(
                    f"{path}:{entry.line}: {entry.name} is in {part} and, line {line}, in {other}; "
                    "a recording belongs to one part, once"
                )
            seen[entry.name] = part, entry.line


def recordings_of(
    split: Split, recordings: Sequence[Recording], path: Path
) -> dict[str, list[Recording]]:
    """The recordings of each part, in the split's order.

    Raises SplitError where an entry names none or more than one, or where two parts hold the same
    recording under two names: a copy, or one that was prepared from the other.
    """
    by_name: dict[str, list[Recording]] = {}
    for recording in recordings:
        for name in recording_names(recording):
            by_name.setdefault(name, []).append(recording)
    parts: dict[str, list[Recording]] = {}
    owner: dict[str, tuple[str, Entry]] = {}
    for part, entries in split.items():
        for entry in entries:
            recording = _one(entry, by_name, path)
            for identity in identities_of(recording):
                if identity in owner:
                    other, first = owner[identity]
                    raise SplitError(
                        f"{path}:{entry.line}: {entry.name} in {part} is the same recording as "
                        f"{first.name}, line {first.line}, in {other}"
                    )
                owner[identity] = part, entry
            parts.setdefault(part, []).append(recording)
    return parts


def _one(entry: Entry, by_name: Mapping[str, list[Recording]], path: Path) -> Recording:
    found = by_name.get(entry.name) or by_name.get(str((path.parent / entry.name).resolve())) or []
    exact = [recording for recording in found if recording.path == entry.name]
    found = exact or found
    if not found:
        raise SplitError(f"{path}:{entry.line}: no recording of the source is called {entry.name}")
    if len(found) > 1:
        raise SplitError(
            f"{path}:{entry.line}: {entry.name} may be {found[0].path} or {found[1].path}; "
            "give the path"
        )
    return found[0]


def identities_of(recording: Recording) -> set[str]:
    """What the recording, its copies, and what was prepared from it have in common."""
    paths = {str(Path(path).resolve()) for path in (recording.path, recording.original) if path}
    return paths | recording.contents


def require_unseen(
    parts: Mapping[str, Sequence[Recording]],
    pretrained_on: Sequence[Mapping[str, Any]],
    path: Path,
) -> None:
    """Raises SplitError where a recording of validation or test was pretrained on.

    `pretrained_on`: the entries `recordings` of an encoder's metadata (path, content, and those of
    the original).
    """
    seen = {
        str(entry[key])
        for entry in pretrained_on
        for key in ("content", "original_content")
        if entry.get(key)
    }
    names = {
        Path(str(entry[key])).name
        for entry in pretrained_on
        for key in ("path", "original")
        if entry.get(key)
    }
    for part in ("val", "test"):
        for recording in parts.get(part, ()):
            if recording.contents & seen:
                raise SplitError(
                    f"{path}: {recording.path} is in {part}, and the encoder was pretrained on it; "
                    "take another encoder, or move it to train"
                )
            alike = {Path(p).name for p in (recording.path, recording.original) if p} & names
            if alike and not recording.contents:
                raise SplitError(
                    f"{path}: {recording.path} is in {part}, and the encoder was pretrained on a "
                    f"recording called {min(alike)}; check the source, so that contents are known"
                )
