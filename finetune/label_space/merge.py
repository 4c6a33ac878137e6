"""Merging the classes of several sets: by name and by synonym, except distinct pairs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from finetune.label_space.class_lists import ClassList
from finetune.label_space.name_matching import name_problem, nearest, normalised_name
from finetune.label_space.parse import LabelSpaceError, LocatedText
from finetune.label_space.synonyms import Synonyms, Term

ClassLists = Mapping[str, ClassList]
"""Class lists by the name of the set."""


class Member(NamedTuple):
    """A class of a set, by its index there."""

    set_name: str
    class_index: int


class MergedClass(NamedTuple):
    """A class of the label space, with at most one class of each set."""

    name: str
    members: tuple[Member, ...]  # in the order of the sets


class SynonymMatch(NamedTuple):
    """The canonical name that a file of synonyms gives to a class of a set."""

    canonical: LocatedText
    line: int  # of the synonym; of the canonical name if the class has that name


def merge(sets: ClassLists, synonyms: Synonyms | None = None) -> tuple[MergedClass, ...]:
    """The merged classes, in the order of their first appearance in the sets.

    Two classes are merged if synonyms give both the same canonical name, or if neither has a
    synonym and their names are the same. The result does not depend on the order of the sets.
    Raises LabelSpaceError if synonyms contradict each other or the sets.
    """
    matches = _match_synonyms(sets, synonyms) if synonyms else {}
    by_name: dict[str, list[Member]] = {}
    for set_name, classes in sets.items():
        for index, name in enumerate(classes.names):
            member = Member(set_name, index)
            canonical = matches[member].canonical.text if member in matches else name
            by_name.setdefault(normalised_name(canonical), []).append(member)
    distinct = _distinct_pairs(sets, synonyms, matches) if synonyms else {}
    groups = [group for members in by_name.values() for group in _split(sets, members, distinct)]
    position = {member: i for i, member in enumerate(_members(sets))}
    groups.sort(key=lambda group: position[group[0]])
    return _named(sets, groups, matches)


def name_of(sets: ClassLists, member: Member) -> str:
    """The set's own name of a class."""
    return sets[member.set_name].names[member.class_index]


def describe(sets: ClassLists, member: Member) -> str:
    """The set and the name of a class, for reports and errors."""
    return f"{member.set_name} {name_of(sets, member)!r}"


def _members(sets: ClassLists) -> Iterator[Member]:
    for set_name, classes in sets.items():
        yield from (Member(set_name, index) for index in range(len(classes.entries)))


def _find(sets: ClassLists, term: Term, place: str, optional: bool = False) -> list[Member]:
    """The classes that a term names. Raises LabelSpaceError if there is none."""
    wanted = normalised_name(term.name)
    found = [
        member
        for member in _members(sets)
        if term.set_name in (None, member.set_name)
        and normalised_name(name_of(sets, member)) == wanted
    ]
    if not found and not optional:
        where = f"{term.set_name} has no" if term.set_name else "no set has a"
        names = tuple(
            name
            for set_name, classes in sets.items()
            if term.set_name in (None, set_name)
            for name in classes.names
        )
        hint = f" (the sets are {', '.join(sets)})" if ":" in term.name else ""
        raise LabelSpaceError(
            f"{place}: {where} class {term.name!r}{hint}{nearest(term.name, names)}"
        )
    return found


def _match_synonyms(sets: ClassLists, synonyms: Synonyms) -> dict[Member, SynonymMatch]:
    """The canonical name of each class that has one. Raises LabelSpaceError on contradictions."""
    at = synonyms.source.at
    matches: dict[Member, SynonymMatch] = {}

    def add(member: Member, new: SynonymMatch) -> None:
        old = matches.setdefault(member, new)
        if old.canonical != new.canonical:
            raise LabelSpaceError(
                f"{at(new.line)}: {describe(sets, member)} is a synonym of {new.canonical.text!r}, "
                f"and in line {old.line} of {old.canonical.text!r}; remove one"
            )

    for canonical, terms in synonyms.canonical.items():
        for term in terms:
            for member in _find(sets, term, at(term.line)):
                add(member, SynonymMatch(canonical, term.line))
    for canonical in synonyms.canonical:
        own = Term(None, canonical.text, canonical.line)
        for member in _find(sets, own, at(canonical.line), optional=True):
            add(member, SynonymMatch(canonical, canonical.line))
    first: dict[tuple[str, LocatedText], Member] = {}
    for member, new in sorted(matches.items(), key=lambda item: item[1].line):
        other = first.setdefault((member.set_name, new.canonical), member)
        if other != member:
            raise LabelSpaceError(
                f"{at(new.line)}: {describe(sets, other)} and {name_of(sets, member)!r} would be "
                f"one class, {new.canonical.text!r}; classes of one set are never merged"
            )
    return matches


def _distinct_pairs(
    sets: ClassLists, synonyms: Synonyms, matches: Mapping[Member, SynonymMatch]
) -> dict[frozenset[Member], str]:
    """The pairs that must not be merged, with their place in the file."""
    pairs = {}
    for terms in synonyms.distinct:
        place = synonyms.source.at(terms[0].line)
        one, other = (_find(sets, term, place)[0] for term in terms)
        both = [matches[member] for member in (one, other) if member in matches]
        if len(both) == 2 and both[0].canonical == both[1].canonical:
            raise LabelSpaceError(
                f"{place}: {terms[0]} and {terms[1]} are distinct here, but both are "
                f"{both[0].canonical.text!r} in lines {both[0].line} and {both[1].line}"
            )
        pairs[frozenset((one, other))] = place
    return pairs


def _split(
    sets: ClassLists, members: Sequence[Member], distinct: Mapping[frozenset[Member], str]
) -> list[list[Member]]:
    """Splits members with the same name into groups without distinct pairs.

    Raises LabelSpaceError if the pairs leave open to which group a member belongs.
    """
    groups: list[list[Member]] = []
    for member in members:
        pairs = [[frozenset((member, other)) for other in group] for group in groups]
        possible = [
            group for group, of in zip(groups, pairs, strict=True) if not distinct.keys() & set(of)
        ]
        mixed = [of for of in pairs if 0 < sum(pair in distinct for pair in of) < len(of)]
        if len(possible) > 1 or mixed:
            involved = {pair: place for pair, place in distinct.items() if pair <= set(members)}
            pair, place = next(iter(involved.items()))
            both = " and ".join(describe(sets, each) for each in sorted(pair))
            rest = ", ".join(describe(sets, each) for each in members if each not in pair)
            raise LabelSpaceError(
                f"{place}: {both} are distinct, and {rest} has the same name; "
                "add a pair that separates it from one of them"
            )
        if possible:
            possible[0].append(member)
        else:
            groups.append([member])
    return groups


def _named(
    sets: ClassLists, groups: Sequence[Sequence[Member]], matches: Mapping[Member, SynonymMatch]
) -> tuple[MergedClass, ...]:
    """Names the groups: the canonical name, or the first set's; with that set if it is not unique.

    Raises LabelSpaceError if two names are the same even so.
    """
    names = []
    for group in groups:
        canonical = [matches[member].canonical.text for member in group if member in matches]
        names.append(canonical[0] if canonical else name_of(sets, group[0]))
    count = Counter(normalised_name(name) for name in names)
    names = [
        name if count[normalised_name(name)] == 1 else f"{name} ({group[0].set_name})"
        for name, group in zip(names, groups, strict=True)
    ]
    seen: dict[str, str] = {}
    for name in names:
        if normalised_name(name) in seen:
            raise LabelSpaceError(
                f"{seen[normalised_name(name)]!r} and {name!r} would be the same name of two "
                "merged classes; give one of them a canonical name in the synonyms"
            )
        if problem := name_problem(name):  # with the set's name, it may be too long
            raise LabelSpaceError(
                f"{name[:60]!r} {problem}; give it a canonical name in the synonyms"
            )
        seen[normalised_name(name)] = name
    return tuple(MergedClass(name, tuple(g)) for name, g in zip(names, groups, strict=True))
