"""Reading of small text files with names: text, JSON and YAML, with line numbers for errors."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launch.text_file import decode_text, read_file
from launch.yaml_file import YamlEntry, YamlFile
from launch.yaml_nodes import YamlNode, YamlScalar


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
    content = read_file(path, LabelSpaceError)
    text = decode_text(content, path, LabelSpaceError)
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


def parse_yaml(source: SourceFile) -> YamlNode:
    """The nodes of the file. Raises LabelSpaceError."""
    root = yaml_file(source).parse(source.text)
    if root is None:
        raise LabelSpaceError(f"{source.path}: is empty")
    return root


def yaml_file(source: SourceFile) -> YamlFile:
    """The reader of the file's nodes, which raises LabelSpaceError."""
    return YamlFile(str(source.path), LabelSpaceError)


def mapping(source: SourceFile, node: YamlNode, name: str) -> dict[LocatedText, YamlNode]:
    """The keys and values of a mapping; `name` is its name in errors.

    Raises LabelSpaceError if the node is not a mapping, or if a key is there twice.
    """
    entries = yaml_file(source).entries(node, name)
    return {LocatedText(key, entry.line): entry.node for key, entry in entries.items()}


def sequence(source: SourceFile, node: YamlNode, name: str) -> list[LocatedText]:
    """The entries of a list as they are written: `yes` and `1` are strings.

    Raises LabelSpaceError if the node is not a list of scalars.
    """
    file = yaml_file(source)
    items = file.items(YamlEntry(node, node.line), name)
    if not items:
        raise file.error(node.line, f"{name} must be a list with at least one entry")
    for item in items:
        if not isinstance(item.node, YamlScalar):
            raise file.error(
                item.line,
                f"{name} must be a list of strings; put quotes around an entry with ': ' or "
                "brackets",
            )
    return [LocatedText(file.text(item, f"an entry of {name}"), item.line) for item in items]


def _shorten(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
