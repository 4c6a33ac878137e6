"""Files of names and numbers, believed in nothing: text, JSON and YAML, with their lines."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

LARGEST = 2**20  # bytes of a file of names


class LabelSpaceError(ValueError):
    """Names, a space or rows that cannot be used: the file, the line, and the cure."""

    exit_status = 2
    on_every_process = True


class ParsedFile(NamedTuple):
    """A file as it was read, once: its text, and the sha256 of its bytes."""

    path: Path
    text: str
    sha256: str

    def at(self, line: int) -> str:
        """Where an error is; lines count from 1, and 0 is the whole file."""
        return f"{self.path}:{line}" if line else str(self.path)


class YamlText(NamedTuple):
    text: str
    line: int  # from 1; 0 where a file has none


def read_source(path: Path) -> ParsedFile:
    """Raises SpaceError where there is no such file, or it is no text."""
    try:
        if not path.is_file():
            raise LabelSpaceError(f"{path}: {'is no file' if path.exists() else 'is not there'}")
        if path.stat().st_size > LARGEST:
            raise LabelSpaceError(
                f"{path}: has more than {LARGEST >> 20} MiB; that is no list of names"
            )
        held = path.read_bytes()
        text = held.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelSpaceError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    if not text.strip():
        raise LabelSpaceError(f"{path}: is empty")
    return ParsedFile(path, text.replace("\r\n", "\n"), hashlib.sha256(held).hexdigest())


def parse_json(source: ParsedFile) -> Any:
    """Raises SpaceError where it is no JSON, or a key stands twice."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        held = dict(pairs)
        if len(held) < len(pairs):
            keys = [name for name, _ in pairs]
            twice = next(name for name in keys if keys.count(name) > 1)
            raise LabelSpaceError(f"{source.path}: {twice!r} stands twice")
        return held

    try:
        return json.loads(source.text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise LabelSpaceError(f"{source.at(error.lineno)}: is not JSON ({error.msg})") from None
    except LabelSpaceError:
        raise
    except (ValueError, RecursionError) as error:
        raise LabelSpaceError(f"{source.path}: is not JSON ({_short(error)})") from None


def parse_yaml(source: ParsedFile) -> yaml.Node:
    """The tree of the file, of which no tag is acted on. Raises SpaceError."""
    try:
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = source.at(mark.line + 1 if mark else 0)
        raise LabelSpaceError(f"{where}: is not YAML ({_short(error)})") from None
    if root is None:
        raise LabelSpaceError(f"{source.path}: is empty")
    return root


def mapping(source: ParsedFile, node: yaml.Node, what: str) -> dict[YamlText, yaml.Node]:
    """`what`: what stands here, for errors. Raises SpaceError where a key stands twice."""
    if not isinstance(node, yaml.MappingNode):
        raise LabelSpaceError(f"{source.at(line_of(node))}: {what} is a mapping")
    lines: dict[str, int] = {}
    held = {}
    for name, value in node.value:
        line = line_of(name)
        if not isinstance(name, yaml.ScalarNode):
            raise LabelSpaceError(f"{source.at(line)}: the keys of {what} are names")
        if name.value in lines:
            raise LabelSpaceError(
                f"{source.at(line)}: {name.value!r} stands twice, also in line {lines[name.value]}"
            )
        lines[name.value] = line
        held[YamlText(name.value, line)] = value
    return held


def sequence(source: ParsedFile, node: yaml.Node, what: str) -> list[YamlText]:
    """The texts of a list as they are written: `yes` and `1` are names like others."""
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise LabelSpaceError(f"{source.at(line_of(node))}: {what} is a list of one or more")
    for item in node.value:
        if not isinstance(item, yaml.ScalarNode):
            raise LabelSpaceError(
                f"{source.at(line_of(item))}: {what} is a list of texts; put quotes around one "
                "with ': ' or brackets"
            )
    return [YamlText(item.value, line_of(item)) for item in node.value]


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
