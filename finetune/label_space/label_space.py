"""The merged label space: its classes, and which of them each class of each set is."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from jaxtyping import Bool, Int64

from finetune.label_space.name_matching import SET_NAME, fault_of, nearest, normalised_name
from finetune.label_space.parse import (
    LabelSpaceError,
    ParsedFile,
    YamlText,
    line_of,
    mapping,
    parse_yaml,
    read_source,
    sequence,
)
from launch.atomic_io import write_atomic

FIELDS = ("sha256", "classes", "sets", "names")
HEADER = "# Labelled sets merged into one label space by `python -m finetune merge`\n"


class LabelSpace(NamedTuple):
    """A merged label space; `sets` and `names` have one entry for each class of a set."""

    classes: tuple[str, ...]
    sets: dict[str, tuple[int, ...]]  # for each of a set's classes the merged one
    names: dict[str, tuple[str, ...]]  # the set's own
    sha256: dict[str, str]  # of each set's file of classes
    synonyms: str = ""  # sha256 of the file of synonyms; empty where there was none

    def to_merged(self, of: str) -> Int64[np.ndarray, " k"]:
        """For each class of the set `of`, the index of its merged class.

        Raises SpaceError where the space has no such set.
        """
        if of not in self.sets:
            raise LabelSpaceError(
                f"the space has no set {of!r}, but {', '.join(self.sets)}"
                + nearest(of, tuple(self.sets))
            )
        return np.asarray(self.sets[of], dtype=np.int64)

    def covers(self, of: str) -> Bool[np.ndarray, " m"]:
        """For each merged class, whether the set `of` has it: labels of the set say nothing of the
        others.
        """
        covered = np.zeros(len(self.classes), dtype=np.bool_)
        covered[self.to_merged(of)] = True
        return covered


def write_label_space(path: Path, space: LabelSpace) -> None:
    """Replaces the file whole. Raises SpaceError where it cannot be written."""
    sha256: dict[str, object] = {"sets": space.sha256}
    if space.synonyms:
        sha256["synonyms"] = space.synonyms
    # names last and in brackets, so that a file that is cut off anywhere cannot be read
    by_line = {"classes": list(space.classes)}
    in_rows = {
        "sets": {of: list(indices) for of, indices in space.sets.items()},
        "names": {of: list(names) for of, names in space.names.items()},
    }
    text = HEADER + "".join(
        yaml.safe_dump(
            held, default_flow_style=flow, allow_unicode=True, sort_keys=False, width=100
        )
        for held, flow in (({"sha256": sha256}, False), (by_line, False), (in_rows, None))
    )
    try:
        write_atomic(path, text)
    except OSError as error:
        raise LabelSpaceError(f"{path}: cannot be written ({error})") from None


def read_label_space(path: Path) -> LabelSpace:
    """Raises SpaceError with file and line where the file is no whole, consistent space."""
    source = read_source(path)
    root = mapping(source, parse_yaml(source), "a label space")
    fields = {entry.text: node for entry, node in root.items()}
    for entry in root:
        if entry.text not in FIELDS:
            hint = nearest(entry.text, FIELDS)
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is no field of a space{hint}"
            )
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise LabelSpaceError(
            f"{path}: has no {', '.join(missing)}; is it a label space, and whole?"
        )
    classes = sequence(source, fields["classes"], "classes")
    _require_names(source, classes)
    sets, names = ({}, {})  # type: tuple[dict[str, tuple[int, ...]], dict[str, tuple[str, ...]]]
    for entry, node in mapping(source, fields["sets"], "sets").items():
        if not SET_NAME.fullmatch(entry.text):
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text[:60]!r} is no name of a set"
            )
        found = sequence(source, node, f"set {entry.text}")
        sets[entry.text] = _indices(source, found, len(classes))
    for entry, node in mapping(source, fields["names"], "names").items():
        found = sequence(source, node, f"names of {entry.text!r:.60}")
        _require_names(source, found)
        names[entry.text] = tuple(name.text for name in found)
    sha256, synonyms = _digests(source, fields["sha256"])
    for name, other in (("names", names), ("sha256", sha256)):
        if list(other) != list(sets):
            raise LabelSpaceError(
                f"{source.at(line_of(fields[name]))}: {name} are of {', '.join(map(repr, other))}, "
                f"and sets has {', '.join(map(repr, sets))}, in this order"
            )
    space = LabelSpace(tuple(entry.text for entry in classes), sets, names, sha256, synonyms)
    _require_whole(source, space, {name: line_of(node) for name, node in fields.items()})
    return space


def _require_names(source: ParsedFile, entries: Sequence[YamlText]) -> None:
    seen: dict[str, YamlText] = {}
    for entry in entries:
        fault = fault_of(entry.text)
        if fault:
            raise LabelSpaceError(f"{source.at(entry.line)}: {entry.text[:60]!r} {fault}")
        other = seen.setdefault(normalised_name(entry.text), entry)
        if other is not entry:
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is the same name as {other.text!r}, "
                f"line {other.line}"
            )


def _indices(source: ParsedFile, entries: Sequence[YamlText], classes: int) -> tuple[int, ...]:
    found: list[int] = []
    for text, line in entries:
        index = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
        if not 0 <= index < classes:
            raise LabelSpaceError(
                f"{source.at(line)}: {text[:20]!r} is not one of 0 to {classes - 1}"
            )
        if index in found:
            raise LabelSpaceError(
                f"{source.at(line)}: {index} stands twice; a set's classes are apart"
            )
        found.append(index)
    return tuple(found)


def _digests(source: ParsedFile, node: yaml.Node) -> tuple[dict[str, str], str]:
    held = {entry.text: (entry, value) for entry, value in mapping(source, node, "sha256").items()}
    line = line_of(node)
    if "sets" not in held or not held.keys() <= {"sets", "synonyms"}:
        raise LabelSpaceError(
            f"{source.at(line)}: sha256 has the keys sets and, at times, synonyms"
        )
    pairs = [*mapping(source, held.pop("sets")[1], "sets of sha256").items(), *held.values()]
    found = {}
    for entry, value in pairs:
        if not isinstance(value, yaml.ScalarNode) or not re.fullmatch("[0-9a-f]{64}", value.value):
            raise LabelSpaceError(
                f"{source.at(entry.line)}: sha256 of {entry.text!r:.60} is no such digest"
            )
        found[entry] = value.value
    synonyms = [found.pop(entry) for entry, _ in held.values()]
    return {entry.text: digest for entry, digest in found.items()}, "".join(synonyms)


def _require_whole(source: ParsedFile, space: LabelSpace, lines: Mapping[str, int]) -> None:
    for of, indices in space.sets.items():
        if len(indices) != len(space.names[of]):
            raise LabelSpaceError(
                f"{source.at(lines['names'])}: {of} has {len(space.names[of])} names, and "
                f"{len(indices)} indices in line {lines['sets']} and behind"
            )
    held = {index for indices in space.sets.values() for index in indices}
    for index, name in enumerate(space.classes):
        if index not in held:
            raise LabelSpaceError(
                f"{source.at(lines['classes'])}: no set has class {index}, {name!r}"
            )
