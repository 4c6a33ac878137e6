"""What names cannot say by themselves: other names of a class, and classes that share a name.

    calot triangle dissection: [carlot-triangle-dissection, "autolaparo:dissection"]
    distinct:
    - ["cholec80:preparation", "autolaparo:preparation"]

A key is a class of the merged space, and its list the names that sets have for it, each in all sets
or, with a set's name and a colon before it, in that one. A pair of `distinct` is never merged.
"""

from collections.abc import Collection
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
    parse_yaml,
    read_source,
    sequence,
)

DISTINCT = "distinct"


class Term(NamedTuple):
    """A name in one set, or in whichever has it."""

    of: str | None  # the set
    name: str
    line: int  # from 1

    def __str__(self) -> str:
        return repr(f"{self.of}:{self.name}" if self.of else self.name)


class Synonyms(NamedTuple):
    """A file of synonyms, whose names are not yet looked for in any set."""

    source: ParsedFile
    canonical: dict[YamlText, tuple[Term, ...]]
    distinct: tuple[tuple[Term, Term], ...]


def read_synonyms(path: Path, sets: Collection[str]) -> Synonyms:
    """`sets`: names of the sets, of which one may stand before a colon.

    Raises SpaceError with file and line where a name is none, or stands twice.
    """
    source = read_source(path)
    canonical: dict[YamlText, tuple[Term, ...]] = {}
    distinct: tuple[tuple[Term, Term], ...] = ()
    seen: dict[str, YamlText] = {}
    for entry, node in mapping(source, parse_yaml(source), "a file of synonyms").items():
        if entry.text == DISTINCT:
            distinct = _pairs(source, node, sets)
            continue
        if _term(source, entry, sets).of:
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} names a class of the merged space, "
                "which has no set before it"
            )
        other = seen.setdefault(normalised_name(entry.text), entry)
        if other is not entry:
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is the same name as {other.text!r}, "
                f"line {other.line}; write one list"
            )
        canonical[entry] = _terms(source, node, sets)
    return Synonyms(source, canonical, distinct)


def _terms(source: ParsedFile, node: yaml.Node, sets: Collection[str]) -> tuple[Term, ...]:
    terms = [_term(source, entry, sets) for entry in sequence(source, node, "other names")]
    seen: dict[tuple[str | None, str], Term] = {}
    for term in terms:
        other = seen.setdefault((term.of, normalised_name(term.name)), term)
        if other is not term:
            raise LabelSpaceError(f"{source.at(term.line)}: {term} stands twice, as {other}")
    return tuple(terms)


def _pairs(
    source: ParsedFile, node: yaml.Node, sets: Collection[str]
) -> tuple[tuple[Term, Term], ...]:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise LabelSpaceError(
            f"{source.at(line_of(node))}: {DISTINCT} is a list of pairs; drop it or fill it"
        )
    pairs = []
    for item in node.value:
        entries = sequence(source, item, f"an item of {DISTINCT}")
        terms = [_term(source, entry, sets) for entry in entries]
        where = source.at(line_of(item))
        if len(terms) != 2:
            raise LabelSpaceError(
                f"{where}: an item of {DISTINCT} is a pair, this has {len(terms)}"
            )
        for term in terms:
            if not term.of:
                raise LabelSpaceError(
                    f"{where}: {term} wants a set of {', '.join(sets)} and a colon before it, "
                    "as all names in a pair"
                )
        if terms[0].of == terms[1].of:
            raise LabelSpaceError(
                f"{where}: {terms[0]} and {terms[1]} are of one set, and so distinct"
            )
        pairs.append((terms[0], terms[1]))
    return tuple(pairs)


def _term(source: ParsedFile, entry: YamlText, sets: Collection[str]) -> Term:
    before, colon, name = (part.strip() for part in entry.text.partition(":"))
    term = Term(before, name, entry.line) if colon and before in sets else None
    term = term or Term(None, entry.text.strip(), entry.line)
    fault = fault_of(term.name)
    if fault:
        raise LabelSpaceError(f"{source.at(entry.line)}: {entry.text[:60]!r} {fault}")
    return term
