"""Splits: which recordings are for training, validation and test, as a YAML file.

    train: [VID68, VID70, VID73]
    val: [VID74]
    test: [VID75]

A recording is named by its path, or by its file name with or without suffix. A split divides
recordings, never frames. A `note` is optional.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from launch.nearest import nearest
from launch.text_file import read_text_file
from launch.yaml_file import YamlEntry, YamlFile, is_null
from launch.yaml_nodes import YamlMapping, YamlSequence
from video.exclude import recording_names
from video.labels.label_files import whole_name
from video.recording import Recording

PARTS = ("train", "val", "test")
SHIPPED = Path(__file__).parents[1] / "recipes/splits"
NOTE = "note"


class SplitError(ValueError):
    """A split that cannot be used; the message has the file and the line."""

    exit_status = 2
    on_every_process = True


class SplitEntry(NamedTuple):
    """The name of a recording in a split."""

    name: str
    line: int  # from 1


Split = dict[str, list[SplitEntry]]
"""Entries by part, without the parts that the file does not have."""


def find_split(named: Path) -> Path:
    """The path itself if it is a file, else the shipped split of that name. Raises SplitError."""
    shipped = SHIPPED / f"{named}.yaml"
    if named.is_file() or not shipped.is_file():
        if not named.exists():
            names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.yaml")))
            raise SplitError(f"{named}: no such file, and none of the shipped splits {names}")
        return named
    return shipped


def read_split(path: Path) -> Split:
    """Raises SplitError with file and line if a part is empty or a name is there twice."""
    file = YamlFile(str(path), SplitError)
    root = file.parse(read_text_file(path, SplitError))
    if not isinstance(root, YamlMapping):
        raise file.error(1, f"a split has {', '.join(PARTS)}, each with a list of recordings")
    split: Split = {}
    for part, entry in file.entries(root, "a split", (*PARTS, NOTE)).items():
        if part != NOTE:
            split[part] = _recordings(file, part, entry)
    if "train" not in split and "test" not in split:
        raise SplitError(f"{path}: has neither train nor test")
    _require_unique(path, split)
    return split


def _recordings(file: YamlFile, part: str, entry: YamlEntry) -> list[SplitEntry]:
    """The names of a part as they are written: `007` is a name."""
    is_empty = isinstance(entry.node, YamlSequence) and not entry.node.items
    if is_empty or is_null(entry.node):
        raise file.error(entry.line, f"{part} has no recordings; add some or remove it")
    items = file.items(entry, part)
    return [SplitEntry(file.text(item, "the name of a recording"), item.line) for item in items]


def _require_unique(path: Path, split: Split) -> None:
    seen: dict[str, tuple[str, int]] = {}
    for part, entries in split.items():
        for entry in entries:
            if entry.name in seen:
                other, line = seen[entry.name]
                raise SplitError(
                    f"{path}:{entry.line}: {entry.name} is in {part}, and in {other} at line "
                    f"{line}; a recording belongs to one part, once"
                )
            seen[entry.name] = part, entry.line


def recordings_of(
    split: Split, recordings: Sequence[Recording], path: Path
) -> dict[str, list[Recording]]:
    """The recordings of each part, in the split's order.

    Raises SplitError if an entry names no recording or several, or if two entries are the same
    recording under different names: a copy, or one prepared from the other.
    """
    by_name: dict[str, list[Recording]] = {}
    for recording in recordings:
        for name in recording_names(recording):
            by_name.setdefault(name, []).append(recording)
    parts: dict[str, list[Recording]] = {}
    owner: dict[str, tuple[str, SplitEntry]] = {}
    for part, entries in split.items():
        for entry in entries:
            recording = _find_one(entry, by_name, path)
            for identity in identities_of(recording):
                if identity in owner:
                    other, first = owner[identity]
                    raise SplitError(
                        f"{path}:{entry.line}: {entry.name} in {part} is the same recording as "
                        f"{first.name} in {other}, line {first.line}"
                    )
                owner[identity] = part, entry
            parts.setdefault(part, []).append(recording)
    return parts


def _find_one(entry: SplitEntry, by_name: Mapping[str, list[Recording]], path: Path) -> Recording:
    found = by_name.get(entry.name) or by_name.get(str((path.parent / entry.name).resolve())) or []
    exact = [recording for recording in found if recording.path == entry.name]
    found = exact or found
    if not found:
        parts = sorted(name for name in by_name if whole_name(name) == entry.name)
        cure = f"; if {', '.join(parts[:3])} are its parts, list these instead" if parts else ""
        cure = cure or nearest(entry.name, [name for name in by_name if "/" not in name])
        raise SplitError(f"{path}:{entry.line}: the source has no recording {entry.name}{cure}")
    if len(found) > 1:
        raise SplitError(
            f"{path}:{entry.line}: {entry.name} may be {found[0].path} or {found[1].path}; "
            "give the path"
        )
    return found[0]


def identities_of(recording: Recording) -> set[str]:
    """Paths and content digests, of which copies and prepared versions share at least one."""
    paths = {str(Path(path).resolve()) for path in (recording.path, recording.original) if path}
    return paths | recording.contents
