"""A YAML text as a tree of nodes with lines; its depth and size are limited while it is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

MAX_DEPTH = 50
MAX_NODES = 50_000
MAX_SIZE = 2**22  # characters with every alias replaced by its node, and 8 for each node
CORE_TAG = "tag:yaml.org,2002:"


class YamlProblem(ValueError):
    """A text that is not read; `line` counts from 1, and 0 means that it is not known."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, eq=False)
class YamlScalar:
    """A text, of which the schema decides the meaning if it is plain."""

    text: str
    line: int
    tag: str  # the explicit one, else ""
    is_plain: bool  # neither quoted nor in a block
    depth = 0

    @property
    def size(self) -> int:
        return 8 + len(self.text)


@dataclass(frozen=True, eq=False)
class YamlSequence:
    """Nodes in order."""

    items: tuple["YamlNode", ...]
    line: int
    tag: str
    depth: int
    size: int


@dataclass(frozen=True, eq=False)
class YamlMapping:
    """Pairs of a key and a value in order; a key may be there twice."""

    pairs: tuple[tuple["YamlNode", "YamlNode"], ...]
    line: int
    tag: str
    depth: int
    size: int


YamlNode = YamlScalar | YamlSequence | YamlMapping


class _Open(NamedTuple):
    """A list or mapping of which the end is not read yet."""

    event: Any
    children: list[YamlNode]


def compose(text: str) -> YamlNode | None:
    """The root of the only document of a text; None if it has none. Raises YamlProblem."""
    try:
        return _compose(YAML(typ="safe", pure=True).parse(text))
    except YamlProblem:
        raise
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 0
        raise YamlProblem(line, f"is not YAML ({' '.join(problem.split())[:200]})") from None
    except (ValueError, OverflowError) as error:  # an escape such as "\Uffffffff"
        raise YamlProblem(0, f"is not YAML ({error})") from None


def _compose(events: Iterator[Any]) -> YamlNode | None:
    root: YamlNode | None = None
    opened: list[_Open] = []
    anchors: dict[str, YamlNode | None] = {}  # None: not read to its end
    for count, event in enumerate(events):
        if count > MAX_NODES:
            raise YamlProblem(_line(event), f"has more than {MAX_NODES:,} keys and values")
        if isinstance(event, DocumentStartEvent):
            _require_one_document(event, root)
        elif isinstance(event, CollectionStartEvent):
            if len(opened) == MAX_DEPTH:
                raise YamlProblem(_line(event), f"is nested more than {MAX_DEPTH} levels deep")
            opened.append(_Open(event, []))
            if event.anchor:
                anchors[event.anchor] = None
        elif isinstance(event, ScalarEvent | AliasEvent | CollectionEndEvent):
            node = _node(event, opened, anchors)
            if opened:
                opened[-1].children.append(node)
            else:
                root = node
    return root


def _require_one_document(event: Any, root: YamlNode | None) -> None:
    if root is not None:
        raise YamlProblem(_line(event), "begins a second document; write one document")
    if event.version and tuple(event.version) != (1, 2):
        version = ".".join(map(str, event.version))
        raise YamlProblem(_line(event), f"is YAML {version}; remove %YAML, this is read as 1.2")


def _node(event: Any, opened: list[_Open], anchors: dict[str, YamlNode | None]) -> YamlNode:
    """The node that ends with an event, noted under its anchor."""
    if isinstance(event, AliasEvent):
        if event.anchor not in anchors:
            raise YamlProblem(_line(event), f"*{event.anchor}: no such anchor precedes it")
        target = anchors[event.anchor]
        if target is None:
            raise YamlProblem(_line(event), "an anchor refers to itself; remove the reference")
        return target
    node: YamlNode
    if isinstance(event, ScalarEvent):
        node, start = _scalar(event), event
    else:
        start, children = opened.pop()
        node = _collection(start, children)
    if start.anchor:
        anchors[start.anchor] = node
    return node


def _scalar(event: ScalarEvent) -> YamlScalar:
    text, line = str(event.value), _line(event)
    if "\0" in text:
        raise YamlProblem(line, "has a null character; remove it")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise YamlProblem(line, "has half of a surrogate pair; remove the escape")
    return YamlScalar(text, line, _tag(event), not event.style)


def _collection(event: Any, children: list[YamlNode]) -> YamlSequence | YamlMapping:
    line = _line(event)
    depth = 1 + max((child.depth for child in children), default=0)
    size = 8 + sum(child.size for child in children)
    if depth > MAX_DEPTH:
        raise YamlProblem(line, f"is nested more than {MAX_DEPTH} levels deep by its anchors")
    if size > MAX_SIZE:
        raise YamlProblem(
            line, f"its anchors expand to more than {MAX_SIZE:,} characters; use fewer of them"
        )
    if isinstance(event, MappingStartEvent):
        pairs = tuple(zip(children[::2], children[1::2], strict=True))
        return YamlMapping(pairs, line, _tag(event), depth, size)
    return YamlSequence(tuple(children), line, _tag(event), depth, size)


def _tag(event: Any) -> str:
    """An explicit tag such as `!!int` or `!own`; "" without one."""
    tag = "" if event.tag is None else str(event.tag)
    return tag.replace(CORE_TAG, "!!", 1) if tag.startswith(CORE_TAG) else tag


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
