"""The classes of a labelled set, from a file; the form is told by its ending.

- text: a name a line
- CSV: a column `label`, `name` or `class` in the order of its rows, or with a column `index`
- JSON, YAML: a list of names, or a mapping of names to indices or of indices to names
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from finetune.label_space.name_matching import fault_of, normalised_name
from finetune.label_space.parse import (
    LabelSpaceError,
    ParsedFile,
    YamlText,
    line_of,
    mapping,
    parse_json,
    parse_yaml,
    read_source,
    sequence,
)

NAME_COLUMNS = ("label", "name", "class")
INDEX_COLUMNS = ("index", "id")


class ClassList(NamedTuple):
    """The names of a set's classes, by index, and where they stand."""

    source: ParsedFile
    entries: tuple[YamlText, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.text for entry in self.entries)


def read_classes(path: Path) -> ClassList:
    """Raises SpaceError with file and line where a name is none, or two cannot be told apart."""
    source = read_source(path)
    read = READERS.get(path.suffix.lower(), _lines)
    entries = tuple(YamlText(text.strip(), line) for text, line in read(source))
    if not entries:
        raise LabelSpaceError(f"{path}: holds no classes")
    seen: dict[str, YamlText] = {}
    for number, entry in enumerate(entries):
        where = source.at(entry.line) + ("" if entry.line else f": class {number}")
        fault = fault_of(entry.text)
        if fault:
            raise LabelSpaceError(f"{where}: {entry.text[:60]!r} {fault}")
        other = seen.setdefault(normalised_name(entry.text), entry)
        if other is not entry:
            also = f", line {other.line}" if other.line else ""
            raise LabelSpaceError(
                f"{where}: {entry.text!r} is the same name as {other.text!r}{also}; "
                "case, blanks and punctuation make no other class"
            )
    return ClassList(source, entries)


def _lines(source: ParsedFile) -> Sequence[YamlText]:
    if source.text.lstrip()[0] in "[{":
        raise LabelSpaceError(
            f"{source.at(1)}: begins as JSON or YAML does; call the file .json or .yaml"
        )
    lines = source.text.rstrip().split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            raise LabelSpaceError(
                f"{source.at(number)}: {line.strip()[:60]!r} is no name; "
                "a line is a class, and its place is its index"
            )
    numbers = [re.match(r"\s*(\d{1,9})[\s,;:.]", line) for line in lines]
    found = [int(number[1]) for number in numbers if number]
    if len(lines) > 1 and found in ([*range(len(lines))], [*range(1, len(lines) + 1)]):
        raise LabelSpaceError(
            f"{source.at(1)}: every line begins with its number; leave the numbers out, "
            "or write a CSV with the columns index,name"
        )
    return [YamlText(line, number) for number, line in enumerate(lines, start=1)]


def _table(source: ParsedFile) -> Sequence[YamlText]:
    reader = csv.reader(io.StringIO(source.text.rstrip() + "\n", newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader)]
        rows = [(row, reader.line_num) for row in reader]
    except csv.Error as error:
        raise LabelSpaceError(f"{source.at(reader.line_num)}: is not CSV ({error})") from None
    names = [column for column in header if column in NAME_COLUMNS]
    indices = [column for column in header if column in INDEX_COLUMNS]
    if len(names) != 1 or len(indices) > 1:
        raise LabelSpaceError(
            f"{source.at(1)}: has the columns {', '.join(header)[:120]}; wanted is one of "
            f"{', '.join(NAME_COLUMNS)}, and at most one of {', '.join(INDEX_COLUMNS)}"
        )
    for row, line in rows:
        if len(row) != len(header):
            raise LabelSpaceError(f"{source.at(line)}: has {len(row)} fields of {len(header)}")
    place = header.index(names[0])
    entries = [YamlText(row[place], line) for row, line in rows]
    if not indices:
        return entries
    column = header.index(indices[0])
    pairs = zip(rows, entries, strict=True)
    return _in_order(source, [(row[column], entry) for (row, _), entry in pairs])


def _json(source: ParsedFile) -> Sequence[YamlText]:
    held = parse_json(source)
    if isinstance(held, dict) and held:
        return _pairs(source, [(YamlText(name, 0), value) for name, value in held.items()])
    if not isinstance(held, list) or not held:
        raise LabelSpaceError(f"{source.path}: is no list of names, nor names with their indices")
    for number, name in enumerate(held):
        if not isinstance(name, str):
            raise LabelSpaceError(f"{source.path}: class {number}: {name!r:.60} is no name")
    return [YamlText(name, 0) for name in held]


def _yaml(source: ParsedFile) -> Sequence[YamlText]:
    root = parse_yaml(source)
    if isinstance(root, yaml.SequenceNode):
        return sequence(source, root, "a list of classes")
    pairs: list[tuple[YamlText, object]] = []
    for entry, node in mapping(source, root, "a file of classes").items():
        if not isinstance(node, yaml.ScalarNode):
            raise LabelSpaceError(
                f"{source.at(line_of(node))}: {entry.text!r} has no index, nor a name"
            )
        whole = node.tag.endswith(":int") and re.fullmatch("[0-9]{1,9}", node.value)
        pairs.append((entry, int(node.value) if whole else node.value))
    return _pairs(source, pairs)


def _pairs(source: ParsedFile, pairs: Sequence[tuple[YamlText, object]]) -> Sequence[YamlText]:
    """Names to indices where all values are whole numbers, else indices to names."""
    if all(type(value) is int for _, value in pairs):
        return _in_order(source, [(str(value), entry) for entry, value in pairs])
    for entry, value in pairs:
        if not isinstance(value, str) or not entry.text.isdecimal():
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r}: {value!r:.60} is neither a name and its "
                "index nor an index and its name"
            )
    return _in_order(source, [(entry.text, YamlText(str(v), entry.line)) for entry, v in pairs])


def _in_order(source: ParsedFile, pairs: Sequence[tuple[str, YamlText]]) -> Sequence[YamlText]:
    """Raises SpaceError unless the indices are 0 to one less than there are names, each once."""
    placed: dict[int, YamlText] = {}
    for text, entry in pairs:
        index = int(text) if re.fullmatch(r"\s*[0-9]{1,9}\s*", text) else -1
        if not 0 <= index < len(pairs) or index in placed:
            twice = "stands twice" if index in placed else f"is not one of 0 to {len(pairs) - 1}"
            raise LabelSpaceError(
                f"{source.at(entry.line)}: index {text[:20]!r} of {entry.text[:60]!r} {twice}; "
                f"{len(pairs)} classes have the indices 0 to {len(pairs) - 1}, each once"
            )
        placed[index] = entry
    return [placed[index] for index in range(len(pairs))]


READERS = {".csv": _table, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
