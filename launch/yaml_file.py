"""Reads YAML 1.2 from outside; every error names the file and the line.

Duplicate keys are refused, merge keys (`<<`) are resolved, and nothing in a text is executed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from launch.errors import ConfigError
from launch.nearest import nearest
from launch.text_file import read_text_file
from launch.yaml_nodes import (
    YamlMapping,
    YamlNode,
    YamlProblem,
    YamlScalar,
    YamlSequence,
    compose,
)
from launch.yaml_schema import WORDS, scalar_value

MERGE = "<<"
TAGS = {
    YamlScalar: ("", "!", "!!str", "!!null", "!!bool", "!!int", "!!float"),
    YamlSequence: ("", "!", "!!seq"),
    YamlMapping: ("", "!", "!!map"),
}


class YamlEntry(NamedTuple):
    """A value, and the line of its key, from 1."""

    node: YamlNode
    line: int


def parse_yaml(text: str, source: str) -> Any:
    """The plain values of a text. Raises ConfigError with `source`, and the line if it has any."""
    file = YamlFile(source, has_lines="\n" in text.strip())
    return file.plain(file.parse(text))


def read_yaml(path: Path) -> Any:
    """The plain values of a file. Raises ConfigError with the file and the line."""
    file = YamlFile(str(path))
    return file.plain(file.parse(read_text_file(path, ConfigError)))


class YamlFile:
    """Reads the nodes of a text; every method raises `error` with the source and the line."""

    def __init__(
        self, source: str, error: type[ValueError] = ConfigError, has_lines: bool = True
    ) -> None:
        self.source = source
        self._error = error
        self._has_lines = has_lines

    def parse(self, text: str) -> YamlNode | None:
        """The root; None where the text has no value."""
        try:
            return compose(text)
        except YamlProblem as problem:
            line = "".join(text.splitlines()[: problem.line][-1:])
            cure = '; write "${stage}/file" in quotation marks' if "${" in line else ""
            raise self.error(problem.line, f"{problem}{cure}") from None

    def error(self, line: int, message: str) -> ValueError:
        place = f":{line}" if line and self._has_lines else ""
        return self._error(f"{self.source}{place}: {message}")

    def entries(self, node: YamlNode, what: str, known: Iterable[str] = ()) -> dict[str, YamlEntry]:
        """The keys of a mapping, in order; if `known` is given, other keys are refused."""
        self._require_plain_tag(node)
        if not isinstance(node, YamlMapping):
            raise self.error(node.line, f"{what} must be a mapping of keys, not {kind_of(node)}")
        names = tuple(known)
        own, merged = dict[str, YamlEntry](), dict[str, YamlEntry]()
        for key, value in node.pairs:
            if isinstance(key, YamlScalar) and key.is_plain and key.text == MERGE:
                parts = value.items if isinstance(value, YamlSequence) else (value,)
                for part in reversed(parts):
                    merged |= self.entries(part, what, names)
                continue
            if not isinstance(key, YamlScalar) or not key.text:
                raise self.error(key.line, f"a key of {what} must be a word, not {kind_of(key)}")
            if key.text in own:
                raise self.error(
                    key.line,
                    f"{shorten(key.text)} is given twice, first in line {own[key.text].line}; "
                    "remove one",
                )
            if names and key.text not in names:
                choice = nearest(key.text, names) or f"; there are {', '.join(names)}"
                raise self.error(key.line, f"{shorten(key.text)}: {what} has no such key{choice}")
            own[key.text] = YamlEntry(value, key.line)
        return merged | own

    def text(self, entry: YamlEntry, what: str) -> str:
        """A scalar as it is written in the file."""
        node = entry.node
        self._require_plain_tag(node)
        if not isinstance(node, YamlScalar) or is_null(node):
            raise self.error(entry.line, f"{what} must be text, not {kind_of(node)}")
        return node.text

    def items(self, entry: YamlEntry, what: str) -> list[YamlEntry]:
        """The nodes of a list."""
        self._require_plain_tag(entry.node)
        if not isinstance(entry.node, YamlSequence):
            raise self.error(entry.line, f"{what} must be a list, not {kind_of(entry.node)}")
        return [YamlEntry(item, item.line) for item in entry.node.items]

    def value(self, entry: YamlEntry, resolve: Callable[[str, int], str]) -> Any:
        """The Python value of a node; `resolve(text, line)` replaces each text in it."""
        node, line = entry
        self._require_plain_tag(node)
        if isinstance(node, YamlScalar):
            try:
                value = scalar_value(node)
            except ValueError as problem:
                raise self.error(line, str(problem)) from None
            return resolve(value, line) if isinstance(value, str) else value
        if isinstance(node, YamlSequence):
            return [self.value(item, resolve) for item in self.items(entry, "a value")]
        entries = self.entries(node, "a mapping")
        return {key: self.value(inner, resolve) for key, inner in entries.items()}

    def plain(self, node: YamlNode | None) -> Any:
        """The Python value of a node; None for None."""
        if node is None:
            return None
        return self.value(YamlEntry(node, node.line), lambda text, line: text)

    def _require_plain_tag(self, node: YamlNode) -> None:
        if node.tag not in TAGS[type(node)]:
            raise self.error(
                node.line, f"{shorten(node.tag)} is a tag, and tags are not supported; remove it"
            )


def is_null(node: YamlNode) -> bool:
    """Whether a node is nothing: `null`, `~`, or no text at all."""
    if not isinstance(node, YamlScalar):
        return False
    return node.tag == "!!null" or (
        node.is_plain and not node.tag and WORDS.get(node.text, node.text) is None
    )


def kind_of(node: YamlNode) -> str:
    """What a node is, for errors."""
    if isinstance(node, YamlScalar):
        return "nothing" if is_null(node) else repr(shorten(node.text))
    return "a list" if isinstance(node, YamlSequence) else "a mapping"


def shorten(text: str, length: int = 60) -> str:
    """A text for an error."""
    return text if len(text) <= length else f"{text[:length]}..."
