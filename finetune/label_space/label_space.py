"""The label space: merged classes, and the merged class of each class of each set."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from finetune.label_space.name_matching import SET_NAME, name_problem, nearest, normalised_name
from finetune.label_space.parse import (
    LabelSpaceError,
    LocatedText,
    SourceFile,
    mapping,
    parse_yaml,
    read_source,
    sequence,
)
from launch.atomic_io import write_atomic
from launch.yaml_nodes import YamlNode, YamlScalar
from launch.yaml_text import dump_in_brackets, dump_yaml

FIELDS = ("sha256", "classes", "sets", "names")
HEADER = "# Labelled sets merged into one label space by `python -m finetune merge`\n"


class LabelSpace(NamedTuple):
    """A merged label space; by set, `sets` and `names` have one entry for each class."""

    classes: tuple[str, ...]
    sets: dict[str, tuple[int, ...]]  # the index of the merged class
    names: dict[str, tuple[str, ...]]  # the set's own name
    sha256: dict[str, str]  # of each set's class list
    synonyms: str = ""  # SHA-256 of the file of synonyms; "" if there was none

    def to_merged(self, set_name: str) -> Int64[np.ndarray, " k"]:
        """For each class of a set, the index of its merged class.

        Raises LabelSpaceError if there is no such set.
        """
        if set_name not in self.sets:
            raise LabelSpaceError(
                f"the label space has no set {set_name!r}, only {', '.join(self.sets)}"
                + nearest(set_name, tuple(self.sets))
            )
        return np.asarray(self.sets[set_name], dtype=np.int64)

    def covers(self, set_name: str) -> Bool[np.ndarray, " m"]:
        """Whether a set has each merged class; its labels are no evidence against the others."""
        covered = np.zeros(len(self.classes), dtype=np.bool_)
        covered[self.to_merged(set_name)] = True
        return covered


def write_label_space(path: Path, space: LabelSpace) -> None:
    """Replaces the file atomically. Raises LabelSpaceError if it cannot be written."""
    sha256: dict[str, object] = {"sets": space.sha256}
    if space.synonyms:
        sha256["synonyms"] = space.synonyms
    # names last and in brackets, so that a truncated file cannot be parsed
    classes = {"classes": list(space.classes)}
    sets = {
        "sets": {name: list(indices) for name, indices in space.sets.items()},
        "names": {name: list(names) for name, names in space.names.items()},
    }
    text = HEADER + dump_yaml({"sha256": sha256}) + dump_yaml(classes) + dump_in_brackets(sets)
    try:
        write_atomic(path, text)
    except OSError as error:
        raise LabelSpaceError(f"{path}: cannot be written ({error})") from None


def read_label_space(path: Path) -> LabelSpace:
    """Raises LabelSpaceError with file and line if it is not a complete, consistent label space."""
    source = read_source(path)
    root = mapping(source, parse_yaml(source), "a label space")
    fields = {entry.text: node for entry, node in root.items()}
    for entry in root:
        if entry.text not in FIELDS:
            hint = nearest(entry.text, FIELDS)
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is not a field of a label space{hint}"
            )
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise LabelSpaceError(
            f"{path}: is not a complete label space; it has no {', '.join(missing)}"
        )
    classes = sequence(source, fields["classes"], "classes")
    _require_names(source, classes)
    sets, names = ({}, {})  # type: tuple[dict[str, tuple[int, ...]], dict[str, tuple[str, ...]]]
    for entry, node in mapping(source, fields["sets"], "sets").items():
        if not SET_NAME.fullmatch(entry.text):
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text[:60]!r} is not a valid name of a set"
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
                f"{source.at(fields[name].line)}: {name} has {', '.join(map(repr, other))}; "
                f"sets has {', '.join(map(repr, sets))}, in this order"
            )
    space = LabelSpace(tuple(entry.text for entry in classes), sets, names, sha256, synonyms)
    _require_consistent(source, space, {name: node.line for name, node in fields.items()})
    return space


def _require_names(source: SourceFile, entries: Sequence[LocatedText]) -> None:
    seen: dict[str, LocatedText] = {}
    for entry in entries:
        problem = name_problem(entry.text)
        if problem:
            raise LabelSpaceError(f"{source.at(entry.line)}: {entry.text[:60]!r} {problem}")
        other = seen.setdefault(normalised_name(entry.text), entry)
        if other is not entry:
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is the same name as {other.text!r}, "
                f"line {other.line}"
            )


def _indices(source: SourceFile, entries: Sequence[LocatedText], classes: int) -> tuple[int, ...]:
    found: list[int] = []
    for text, line in entries:
        index = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
        if not 0 <= index < classes:
            raise LabelSpaceError(f"{source.at(line)}: {text[:20]!r} is not in 0 to {classes - 1}")
        if index in found:
            raise LabelSpaceError(
                f"{source.at(line)}: {index} is there twice; classes of one set are never merged"
            )
        found.append(index)
    return tuple(found)


def _digests(source: SourceFile, node: YamlNode) -> tuple[dict[str, str], str]:
    """The SHA-256 of each set's class list and of the file of synonyms."""
    fields = {entry.text: (entry, each) for entry, each in mapping(source, node, "sha256").items()}
    if "sets" not in fields or not fields.keys() <= {"sets", "synonyms"}:
        raise LabelSpaceError(
            f"{source.at(node.line)}: sha256 must have the key sets, and may have synonyms"
        )
    pairs = [*mapping(source, fields.pop("sets")[1], "sets of sha256").items(), *fields.values()]
    digests = {}
    for entry, value in pairs:
        if not isinstance(value, YamlScalar) or not re.fullmatch("[0-9a-f]{64}", value.text):
            raise LabelSpaceError(
                f"{source.at(entry.line)}: sha256 of {entry.text!r:.60} is not a SHA-256 digest"
            )
        digests[entry] = value.text
    synonyms = [digests.pop(entry) for entry, _ in fields.values()]
    return {entry.text: digest for entry, digest in digests.items()}, "".join(synonyms)


def _require_consistent(source: SourceFile, space: LabelSpace, lines: Mapping[str, int]) -> None:
    for name, indices in space.sets.items():
        if len(indices) != len(space.names[name]):
            raise LabelSpaceError(
                f"{source.at(lines['names'])}: {name} has {len(space.names[name])} names, but "
                f"{len(indices)} indices in sets, line {lines['sets']}"
            )
    used = {index for indices in space.sets.values() for index in indices}
    for index, name in enumerate(space.classes):
        if index not in used:
            raise LabelSpaceError(
                f"{source.at(lines['classes'])}: no set has class {index}, {name!r}"
            )
