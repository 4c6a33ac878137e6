"""YAML with line numbers in errors; duplicate keys are refused, merge keys (`<<`) are resolved."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from launch.nearest import nearest

MERGE = "tag:yaml.org,2002:merge"
NULL = "tag:yaml.org,2002:null"
STANDARD = "tag:yaml.org,2002:"


class ChainError(ValueError):
    """A chain that cannot be run; the message has the file and line if known, and the cure."""

    exit_status = 2
    on_every_process = True


class YamlEntry(NamedTuple):
    """A value, and the line of its key, from 1."""

    node: yaml.Node
    line: int


class YamlFile:
    """Reads the nodes of a file; every method raises ChainError with file and line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def root(self) -> yaml.Node:
        try:
            text = self.path.read_text(encoding="utf-8")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as error:
            raise ChainError(f"{self.path}: cannot be read ({error})") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise ChainError(self._not_yaml(error)) from None
        if node is None:
            raise ChainError(f"{self.path}:1: is empty; a chain needs the key stages")
        return node

    def _not_yaml(self, error: Exception) -> str:
        mark = getattr(error, "problem_mark", None)
        place = f"{self.path}:{mark.line + 1}" if mark else f"{self.path}"
        problem = getattr(error, "problem", None) or str(error)
        line = mark.buffer.splitlines()[mark.line] if mark and mark.buffer else ""
        cure = '; write "${stage}/file" in quotation marks' if "${" in line else ""
        return f"{place}: is not YAML ({' '.join(problem.split())}){cure}"

    def error(self, line: int, message: str) -> ChainError:
        return ChainError(f"{self.path}:{line}: {message}")

    def entries(
        self, node: yaml.Node, what: str, known: Iterable[str] = ()
    ) -> dict[str, YamlEntry]:
        """The keys of a mapping, in order; if `known` is given, other keys are refused."""
        return self._entries(node, what, tuple(known), ())

    def _entries(
        self, node: yaml.Node, what: str, known: tuple[str, ...], parents: tuple[yaml.Node, ...]
    ) -> dict[str, YamlEntry]:
        line = line_of(node)
        if not isinstance(node, yaml.MappingNode) or node in parents:
            raise self.error(line, f"{what} must be a mapping of keys, not {_kind(node)}")
        own, merged = dict[str, YamlEntry](), dict[str, YamlEntry]()
        for key, value in node.value:
            line = line_of(key)
            if key.tag == MERGE:
                parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for part in reversed(parts):
                    merged |= self._entries(part, what, known, (*parents, node))
                continue
            if not isinstance(key, yaml.ScalarNode) or not key.value:
                raise self.error(line, f"a key of {what} must be a word, not {_kind(key)}")
            if key.value in own:
                raise self.error(
                    line,
                    f"{key.value} is given twice, first in line {own[key.value].line}; remove one",
                )
            if known and key.value not in known:
                choice = nearest(key.value, known) or f"; there are {', '.join(known)}"
                raise self.error(line, f"{key.value}: {what} has no such key{choice}")
            own[key.value] = YamlEntry(value, line)
        return merged | own

    def text(self, entry: YamlEntry, what: str) -> str:
        """A scalar as it is written in the file."""
        if not isinstance(entry.node, yaml.ScalarNode) or entry.node.tag == NULL:
            raise self.error(entry.line, f"{what} must be text, not {_kind(entry.node)}")
        if "\0" in entry.node.value:
            raise self.error(entry.line, f"{what} has a null character; remove it")
        return str(entry.node.value)

    def items(self, entry: YamlEntry, what: str) -> list[YamlEntry]:
        if not isinstance(entry.node, yaml.SequenceNode):
            raise self.error(entry.line, f"{what} must be a list, not {_kind(entry.node)}")
        return [YamlEntry(item, line_of(item)) for item in entry.node.value]

    def value(
        self,
        entry: YamlEntry,
        resolve: Callable[[str, int], str],
        parents: tuple[yaml.Node, ...] = (),
    ) -> Any:
        """The Python value of a node; `resolve(text, line)` replaces each string in it."""
        node, line = entry
        if node in parents:
            raise self.error(line, "an anchor refers to itself; remove the reference")
        if not node.tag.startswith(STANDARD):
            raise self.error(line, f"{node.tag} is a tag, and tags are not supported; remove it")
        if isinstance(node, yaml.ScalarNode):
            try:
                value = yaml.constructor.SafeConstructor().construct_object(node)
            except (yaml.YAMLError, ValueError) as error:
                raise self.error(line, f"{node.value!r}: {' '.join(str(error).split())}") from None
            return resolve(self.text(entry, "a value"), line) if isinstance(value, str) else value
        inside = (*parents, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, resolve, inside) for item in self.items(entry, "a value")]
        entries = self.entries(node, "a value")
        return {key: self.value(entry, resolve, inside) for key, entry in entries.items()}


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def as_override(value: Any) -> str:
    """A value as the right side of `key=value`; reading it back gives the same value."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if node.tag == NULL else repr(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
