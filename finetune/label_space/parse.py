"""Reading of small text files with names: text, JSON and YAML, with line numbers for errors."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MAX_BYTES = 2**20  # of a file of names


class LabelSpaceError(ValueError):
    """Unusable class names, label spaces or rows; the message has the file and the line."""

    exit_status = 2
    on_every_process = True


class SourceFile(NamedTuple):
    """The text of a file, and the SHA-256 of its bytes."""

    path: Path
    text: str
    sha256: str

    def at(self, line: int) -> str:
        """The place of an error; lines count from 1, and 0 means the whole file."""
        return f"{self.path}:{line}" if line else str(self.path)


class LocatedText(NamedTuple):
    """A text and its line."""

    text: str
    line: int  # from 1; 0 if it is not known


def read_source(path: Path) -> SourceFile:
    """Raises LabelSpaceError if there is no such file, or if it is not text."""
    try:
        if not path.is_file():
            raise LabelSpaceError(f"{path}: {'is not a file' if path.exists() else 'no such file'}")
        if path.stat().st_size > MAX_BYTES:
            raise LabelSpaceError(
                f"{path}: has more than {MAX_BYTES >> 20} MiB; give a file of class names"
            )
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelSpaceError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    if not text.strip():
        raise LabelSpaceError(f"{path}: is empty")
    return SourceFile(path, text.replace("\r\n", "\n"), hashlib.sha256(content).hexdigest())


def parse_json(source: SourceFile) -> Any:
    """Raises LabelSpaceError if it is not JSON, or if a key is there twice."""

    def without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            keys = [name for name, _ in pairs]
            duplicate = next(name for name in keys if keys.count(name) > 1)
            raise LabelSpaceError(f"{source.path}: {duplicate!r} is there twice")
        return values

    try:
        return json.loads(source.text, object_pairs_hook=without_duplicates)
    except json.JSONDecodeError as error:
        raise LabelSpaceError(f"{source.at(error.lineno)}: is not JSON ({error.msg})") from None
    except LabelSpaceError:
        raise
    except (ValueError, RecursionError) as error:
        raise LabelSpaceError(f"{source.path}: is not JSON ({_shorten(error)})") from None


def parse_yaml(source: SourceFile) -> yaml.Node:
    """The nodes of the file; tags are ignored. Raises LabelSpaceError."""
    try:
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = source.at(mark.line + 1 if mark else 0)
        raise LabelSpaceError(f"{place}: is not YAML ({_shorten(error)})") from None
    if root is None:
        raise LabelSpaceError(f"{source.path}: is empty")
    return root


def mapping(source: SourceFile, node: yaml.Node, name: str) -> dict[LocatedText, yaml.Node]:
    """The keys and values of a mapping; `name` is its name in errors.

    Raises LabelSpaceError if the node is not a mapping, or if a key is there twice.
    """
    if not isinstance(node, yaml.MappingNode):
        raise LabelSpaceError(f"{source.at(line_of(node))}: {name} must be a mapping")
    lines: dict[str, int] = {}
    values = {}
    for key, value in node.value:
        line = line_of(key)
        if not isinstance(key, yaml.ScalarNode):
            raise LabelSpaceError(f"{source.at(line)}: the keys of {name} must be strings")
        if key.value in lines:
            raise LabelSpaceError(
                f"{source.at(line)}: {key.value!r} is there twice, also in line {lines[key.value]}"
            )
        lines[key.value] = line
        values[LocatedText(key.value, line)] = value
    return values


def sequence(source: SourceFile, node: yaml.Node, name: str) -> list[LocatedText]:
    """The entries of a list as they are written: `yes` and `1` are strings.

    Raises LabelSpaceError if the node is not a list of scalars.
    """
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        place = source.at(line_of(node))
        raise LabelSpaceError(f"{place}: {name} must be a list with at least one entry")
    for item in node.value:
        if not isinstance(item, yaml.ScalarNode):
            raise LabelSpaceError(
                f"{source.at(line_of(item))}: {name} must be a list of strings; put quotes around "
                "an entry with ': ' or brackets"
            )
    return [LocatedText(item.value, line_of(item)) for item in node.value]


def line_of(node: yaml.Node) -> int:
    """The line of a node, from 1."""
    return int(node.start_mark.line) + 1


def _shorten(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
