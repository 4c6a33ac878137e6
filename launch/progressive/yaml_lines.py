"""YAML 1.2 with line numbers; duplicate keys are refused, merge keys (`<<`) are resolved."""

from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.representer import SafeRepresenter

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

    node: Node
    line: int


class YamlFile:
    """Reads the nodes of a file; every method raises ChainError with file and line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def root(self) -> Node:
        try:
            text = self.path.read_text(encoding="utf-8")
            node = _yaml().compose(text)
        except (OSError, UnicodeDecodeError) as error:
            raise ChainError(f"{self.path}: cannot be read ({error})") from None
        except (YAMLError, RecursionError) as error:
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

    def entries(self, node: Node, what: str, known: Iterable[str] = ()) -> dict[str, YamlEntry]:
        """The keys of a mapping, in order; if `known` is given, other keys are refused."""
        return self._entries(node, what, tuple(known), ())

    def _entries(
        self, node: Node, what: str, known: tuple[str, ...], parents: tuple[Node, ...]
    ) -> dict[str, YamlEntry]:
        line = line_of(node)
        if not isinstance(node, MappingNode) or node in parents:
            raise self.error(line, f"{what} must be a mapping of keys, not {_kind(node)}")
        own, merged = dict[str, YamlEntry](), dict[str, YamlEntry]()
        for key, value in node.value:
            line = line_of(key)
            if key.tag == MERGE:
                parts = value.value if isinstance(value, SequenceNode) else [value]
                for part in reversed(parts):
                    merged |= self._entries(part, what, known, (*parents, node))
                continue
            if not isinstance(key, ScalarNode) or not key.value:
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
        if not isinstance(entry.node, ScalarNode) or entry.node.tag == NULL:
            raise self.error(entry.line, f"{what} must be text, not {_kind(entry.node)}")
        if "\0" in entry.node.value:
            raise self.error(entry.line, f"{what} has a null character; remove it")
        return str(entry.node.value)

    def items(self, entry: YamlEntry, what: str) -> list[YamlEntry]:
        if not isinstance(entry.node, SequenceNode):
            raise self.error(entry.line, f"{what} must be a list, not {_kind(entry.node)}")
        return [YamlEntry(item, line_of(item)) for item in entry.node.value]

    def value(
        self,
        entry: YamlEntry,
        resolve: Callable[[str, int], str],
        parents: tuple[Node, ...] = (),
    ) -> Any:
        """The Python value of a node; `resolve(text, line)` replaces each string in it."""
        node, line = entry
        if node in parents:
            raise self.error(line, "an anchor refers to itself; remove the reference")
        if not str(node.tag).startswith(STANDARD):
            raise self.error(line, f"{node.tag} is a tag, and tags are not supported; remove it")
        if isinstance(node, ScalarNode):
            try:
                value = _yaml().constructor.construct_object(node)
            except (YAMLError, ValueError) as error:
                raise self.error(line, f"{node.value!r}: {' '.join(str(error).split())}") from None
            return resolve(self.text(entry, "a value"), line) if isinstance(value, str) else value
        inside = (*parents, node)
        if isinstance(node, SequenceNode):
            return [self.value(item, resolve, inside) for item in self.items(entry, "a value")]
        entries = self.entries(node, "a value")
        return {key: self.value(entry, resolve, inside) for key, entry in entries.items()}


def line_of(node: Node) -> int:
    return int(node.start_mark.line) + 1


def as_override(value: Any) -> str:
    """A value as the right side of `key=value`; reading it back gives the same value."""
    yaml, out = _yaml(), StringIO()
    yaml.default_flow_style = True
    yaml.width = 2**30  # in one line
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.add_representer(float, _represent_float)
    yaml.dump(value, out)
    return out.getvalue().removesuffix("\n").removesuffix("\n...")


def _represent_float(representer: SafeRepresenter, value: float) -> ScalarNode:
    """With a point before the exponent (1.0e-05), as in the chain.json of former versions."""
    node: ScalarNode = representer.represent_float(value)
    if "." not in node.value:
        node.value = node.value.replace("e", ".0e")
    return node


def _yaml() -> Any:
    return YAML(typ="safe", pure=True)


def _kind(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return "nothing" if node.tag == NULL else repr(node.value)
    return "a list" if isinstance(node, SequenceNode) else "a mapping"
