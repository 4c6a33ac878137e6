"""Synonyms: other names of a class, and classes that have the same name but are distinct.

    calot triangle dissection: [carlot-triangle-dissection, "autolaparo:dissection"]
    distinct:
    - ["cholec80:preparation", "autolaparo:preparation"]

A key is a class of the label space; its list has the names that sets use for it. A name counts in
all sets, or in one if the set's name and a colon precede it. A pair in `distinct` is not merged.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from finetune.label_space.name_matching import name_problem, normalised_name
from finetune.label_space.parse import (
    LabelSpaceError,
    LocatedText,
    SourceFile,
    mapping,
    parse_yaml,
    read_source,
    sequence,
)
from launch.yaml_nodes import YamlNode, YamlSequence

DISTINCT = "distinct"


class Term(NamedTuple):
    """A class name in one set, or in all sets that have it."""

    set_name: str | None  # None: all sets
    name: str
    line: int  # from 1

    def __str__(self) -> str:
        return repr(f"{self.set_name}:{self.name}" if self.set_name else self.name)


class Synonyms(NamedTuple):
    """A file of synonyms; its names are not compared with the sets yet."""

    source: SourceFile
    canonical: dict[LocatedText, tuple[Term, ...]]
    distinct: tuple[tuple[Term, Term], ...]


def read_synonyms(path: Path, sets: Collection[str]) -> Synonyms:
    """`sets`: the names that may precede a colon.

    Raises LabelSpaceError with file and line if a name is invalid or is there twice.
    """
    source = read_source(path)
    canonical: dict[LocatedText, tuple[Term, ...]] = {}
    distinct: tuple[tuple[Term, Term], ...] = ()
    seen: dict[str, LocatedText] = {}
    for entry, node in mapping(source, parse_yaml(source), "a file of synonyms").items():
        if entry.text == DISTINCT:
            distinct = _pairs(source, node, sets)
            continue
        if _term(source, entry, sets).set_name:
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is a class of the label space; write it "
                "without a set"
            )
        other = seen.setdefault(normalised_name(entry.text), entry)
        if other is not entry:
            raise LabelSpaceError(
                f"{source.at(entry.line)}: {entry.text!r} is the same name as {other.text!r}, "
                f"line {other.line}; join their lists"
            )
        canonical[entry] = _terms(source, node, sets)
    return Synonyms(source, canonical, distinct)


def _terms(source: SourceFile, node: YamlNode, sets: Collection[str]) -> tuple[Term, ...]:
    terms = [_term(source, entry, sets) for entry in sequence(source, node, "other names")]
    seen: dict[tuple[str | None, str], Term] = {}
    for term in terms:
        other = seen.setdefault((term.set_name, normalised_name(term.name)), term)
        if other is not term:
            raise LabelSpaceError(f"{source.at(term.line)}: {term} is there twice, also as {other}")
    return tuple(terms)


def _pairs(
    source: SourceFile, node: YamlNode, sets: Collection[str]
) -> tuple[tuple[Term, Term], ...]:
    if not isinstance(node, YamlSequence) or not node.items:
        raise LabelSpaceError(
            f"{source.at(node.line)}: {DISTINCT} must be a list of pairs; add some or remove it"
        )
    pairs = []
    for item in node.items:
        entries = sequence(source, item, f"an item of {DISTINCT}")
        terms = [_term(source, entry, sets) for entry in entries]
        place = source.at(item.line)
        if len(terms) != 2:
            raise LabelSpaceError(
                f"{place}: an item of {DISTINCT} must be a pair, not {len(terms)} names"
            )
        for term in terms:
            if not term.set_name:
                raise LabelSpaceError(
                    f"{place}: write {term} with its set, one of {', '.join(sets)}, and a colon "
                    "before it, as all names in a pair"
                )
        if terms[0].set_name == terms[1].set_name:
            raise LabelSpaceError(
                f"{place}: {terms[0]} and {terms[1]} are of one set, so they are distinct anyway"
            )
        pairs.append((terms[0], terms[1]))
    return tuple(pairs)


def _term(source: SourceFile, entry: LocatedText, sets: Collection[str]) -> Term:
    before, colon, name = (part.strip() for part in entry.text.partition(":"))
    term = Term(before, name, entry.line) if colon and before in sets else None
    term = term or Term(None, entry.text.strip(), entry.line)
    problem = name_problem(term.name)
    if problem:
        raise LabelSpaceError(f"{source.at(entry.line)}: {entry.text[:60]!r} {problem}")
    return term
