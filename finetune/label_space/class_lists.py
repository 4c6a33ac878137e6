"""The classes of a labelled set, read from a file; its suffix gives the format.

- Text: one name per line.
- CSV: a column `label`, `name` or `class`, in the order of the rows or of a column `index`.
- JSON, YAML: a list of names, or a mapping from names to indices or from indices to names.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.label_space.name_matching import name_problem, normalised_name
from finetune.label_space.parse import (
    LabelSpaceError,
    LocatedText,
    SourceFile,
    mapping,
    parse_json,
    parse_yaml,
    read_source,
    sequence,
)
from launch.yaml_nodes import YamlScalar, YamlSequence
from launch.yaml_schema import scalar_value

NAME_COLUMNS = ("label", "name", "class")
INDEX_COLUMNS = ("index", "id")


class ClassList(NamedTuple):
    """The class names of a set by index, with their lines in the file."""

    source: SourceFile
    entries: tuple[LocatedText, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.text for entry in self.entries)


def read_classes(path: Path) -> ClassList:
    """Raises LabelSpaceError with file and line if a name is invalid, or two names are the same."""
    source = read_source(path)
    read = CLASS_LIST_FORMATS.get(path.suffix.lower(), read_text)
    entries = tuple(LocatedText(text.strip(), line) for text, line in read(source))
    if not entries:
        raise LabelSpaceError(f"{path}: contains no classes")
    seen: dict[str, LocatedText] = {}
    for index, entry in enumerate(entries):
        place = source.at(entry.line) + ("" if entry.line else f": class {index}")
        problem = name_problem(entry.text)
        if problem:
            raise LabelSpaceError(f"{place}: {entry.text[:60]!r} {problem}")
        other = seen.setdefault(normalised_name(entry.text), entry)
        if other is not entry:
            also = f", line {other.line}" if other.line else ""
            raise LabelSpaceError(
                f"{place}: {entry.text!r} is the same name as {other.text!r}{also}; "
                "case, blanks and punctuation do not count"
            )
    return ClassList(source, entries)


def read_text(source: SourceFile) -> Sequence[LocatedText]:
    """One name per line."""
    if source.text.lstrip()[0] in "[{":
        raise LabelSpaceError(
            f"{source.at(1)}: looks like JSON or YAML; rename the file to .json or .yaml"
        )
    lines = source.text.rstrip().split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            raise LabelSpaceError(
                f"{source.at(number)}: {line.strip()[:60]!r} is not a class name; "
                "write one per line, without empty lines and comments"
            )
    matches = [re.match(r"\s*(\d{1,9})[\s,;:.]", line) for line in lines]
    numbers = [int(match[1]) for match in matches if match]
    if len(lines) > 1 and numbers in ([*range(len(lines))], [*range(1, len(lines) + 1)]):
        raise LabelSpaceError(
            f"{source.at(1)}: every line starts with its number; remove the numbers, "
            "or write a CSV file with the columns index,name"
        )
    return [LocatedText(line, number) for number, line in enumerate(lines, start=1)]


def read_csv(source: SourceFile) -> Sequence[LocatedText]:
    """A column of names, in the order of the rows or of a column of indices."""
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
            f"{source.at(1)}: has the columns {', '.join(header)[:120]}; give one of "
            f"{', '.join(NAME_COLUMNS)}, and at most one of {', '.join(INDEX_COLUMNS)}"
        )
    for row, line in rows:
        if len(row) != len(header):
            raise LabelSpaceError(f"{source.at(line)}: has {len(row)} fields of {len(header)}")
    name_column = header.index(names[0])
    entries = [LocatedText(row[name_column], line) for row, line in rows]
    if not indices:
        return entries
    index_column = header.index(indices[0])
    pairs = zip(rows, entries, strict=True)
    return _by_index(source, [(row[index_column], entry) for (row, _), entry in pairs])


def read_json(source: SourceFile) -> Sequence[LocatedText]:
    """A list of names, or a mapping of names and indices."""
    values = parse_json(source)
    if isinstance(values, dict) and values:
        return _from_pairs(source, [(LocatedText(name, 0), each) for name, each in values.items()])
    if not isinstance(values, list) or not values:
        raise LabelSpaceError(f"{source.path}: is neither a list of names nor names with indices")
    for index, name in enumerate(values):
        if not isinstance(name, str):
            raise LabelSpaceError(f"{source.path}: class {index}: {name!r:.60} is not a name")
    return [LocatedText(name, 0) for name in values]


def read_yaml(source: SourceFile) -> Sequence[LocatedText]:
    """A list of names, or a mapping of names and indices."""
    root = parse_yaml(source)
    if isinstance(root, YamlSequence):
        return sequence(source, root, "a list of classes")
    pairs: list[tuple[LocatedText, object]] = []
    for entry, node in mapping(source, root, "a file of classes").items():
        if not isinstance(node, YamlScalar):
            raise LabelSpaceError(
                f"{source.at(node.line)}: {entry.text!r} has neither an index nor a name"
            )
        pairs.append((entry, _index_or_name(source, node)))
    return _from_pairs(source, pairs)


def _index_or_name(source: SourceFile, node: YamlScalar) -> int | str:
    try:
        value = scalar_value(node)
    except ValueError as error:
        raise LabelSpaceError(f"{source.at(node.line)}: {error}") from None
    is_index = type(value) is int and 0 <= value < 10**9
    return value if is_index else node.text


def _from_pairs(
    source: SourceFile, pairs: Sequence[tuple[LocatedText, object]]
) -> Sequence[LocatedText]:
    """The names by index: keys are names if all values are integers, else indices."""
    if all(type(value) is int for _, value in pairs):
        return _by_index(source, [(str(value), entry) for entry, value in pairs])
    for entry, value in pairs:
        if not isinstance(value, str) or not entry.text.isdecimal():
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r}: {value!r:.60} is neither a name and its "
                "index nor an index and its name"
            )
    return _by_index(source, [(entry.text, LocatedText(str(v), entry.line)) for entry, v in pairs])


def _by_index(
    source: SourceFile, pairs: Sequence[tuple[str, LocatedText]]
) -> Sequence[LocatedText]:
    """Raises LabelSpaceError unless the indices are 0 to the number of names - 1, each once."""
    placed: dict[int, LocatedText] = {}
    for text, entry in pairs:
        index = int(text) if re.fullmatch(r"\s*[0-9]{1,9}\s*", text) else -1
        if not 0 <= index < len(pairs) or index in placed:
            problem = "is there twice" if index in placed else f"is not in 0 to {len(pairs) - 1}"
            raise LabelSpaceError(
                f"{source.at(entry.line)}: index {text[:20]!r} of {entry.text[:60]!r} {problem}; "
                f"{len(pairs)} classes have the indices 0 to {len(pairs) - 1}, each once"
            )
        placed[index] = entry
    return [placed[index] for index in range(len(pairs))]


CLASS_LIST_FORMATS = {
    ".txt": read_text,
    ".csv": read_csv,
    ".json": read_json,
    ".yaml": read_yaml,
    ".yml": read_yaml,
}
"""The reader of each suffix; files with other suffixes are text."""
