"""Classes of several sets that are one class: by name, by synonym, and never where told apart."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from finetune.label_space.class_lists import ClassList
from finetune.label_space.name_matching import fault_of, nearest, normalised_name
from finetune.label_space.parse import LabelSpaceError, YamlText
from finetune.label_space.synonyms import Synonyms, Term


class Member(NamedTuple):
    """A class of a set, by its index there."""

    of: str
    number: int


class Group(NamedTuple):
    """The classes that are one in the merged space: of each set one at most."""

    name: str
    members: tuple[Member, ...]  # in the order of the sets


class SynonymMatch(NamedTuple):
    """Which merged class a file of synonyms gives to a class of a set."""

    canonical: YamlText
    line: int  # where it stands under other names; else where the canonical name does


def merge(sets: Mapping[str, ClassList], synonyms: Synonyms | None = None) -> tuple[Group, ...]:
    """The merged classes, in order of their first appearance over the sets.

    Two classes are one where a synonym gives both to one canonical name, or where neither has a
    synonym and their names agree. Which are merged does not depend on the order of the sets.
    Raises SpaceError where synonyms contradict each other or the sets.
    """
    told = _told(sets, synonyms) if synonyms else {}
    gathered: dict[str, list[Member]] = {}
    for of, classes in sets.items():
        for index, name in enumerate(classes.names):
            member = Member(of, index)
            meant = told[member].canonical.text if member in told else name
            gathered.setdefault(normalised_name(meant), []).append(member)
    apart = _apart(sets, synonyms, told) if synonyms else {}
    parts = [part for members in gathered.values() for part in _split(sets, members, apart)]
    place = {member: number for number, member in enumerate(_members(sets))}
    parts.sort(key=lambda part: place[part[0]])
    return _named(sets, parts, told)


def name_of(sets: Mapping[str, ClassList], member: Member) -> str:
    return sets[member.of].names[member.number]


def shown(sets: Mapping[str, ClassList], member: Member) -> str:
    return f"{member.of} {name_of(sets, member)!r}"


def _members(sets: Mapping[str, ClassList]) -> Iterator[Member]:
    for of, classes in sets.items():
        yield from (Member(of, index) for index in range(len(classes.entries)))


def _find(
    sets: Mapping[str, ClassList], term: Term, source_at: str, optional: bool = False
) -> list[Member]:
    """The classes that a term names. Raises SpaceError where there is none."""
    wanted = normalised_name(term.name)
    found = [
        member
        for member in _members(sets)
        if term.of in (None, member.of) and normalised_name(name_of(sets, member)) == wanted
    ]
    if not found and not optional:
        whose = f"{term.of} has" if term.of else "no set has"
        names = tuple(
            name for of, classes in sets.items() if term.of in (None, of) for name in classes.names
        )
        no = "no" if term.of else "a"
        also = f" (the sets are {', '.join(sets)})" if ":" in term.name else ""
        raise LabelSpaceError(
            f"{source_at}: {whose} {no} class called {term.name!r}{also}{nearest(term.name, names)}"
        )
    return found


def _told(sets: Mapping[str, ClassList], synonyms: Synonyms) -> dict[Member, SynonymMatch]:
    """What each class with a synonym is, after every contradiction was looked for."""
    at = synonyms.source.at
    told: dict[Member, SynonymMatch] = {}

    def tell(member: Member, new: SynonymMatch) -> None:
        old = told.setdefault(member, new)
        if old.canonical != new.canonical:
            raise LabelSpaceError(
                f"{at(new.line)}: {shown(sets, member)} is under {new.canonical.text!r} and, line "
                f"{old.line}, under {old.canonical.text!r}; a class has one place"
            )

    for canonical, terms in synonyms.canonical.items():
        for term in terms:
            for member in _find(sets, term, at(term.line)):
                tell(member, SynonymMatch(canonical, term.line))
    for canonical in synonyms.canonical:
        own = Term(None, canonical.text, canonical.line)
        for member in _find(sets, own, at(canonical.line), optional=True):
            tell(member, SynonymMatch(canonical, canonical.line))
    first: dict[tuple[str, YamlText], Member] = {}
    for member, new in sorted(told.items(), key=lambda item: item[1].line):
        other = first.setdefault((member.of, new.canonical), member)
        if other != member:
            raise LabelSpaceError(
                f"{at(new.line)}: {shown(sets, other)} and {name_of(sets, member)!r} would be one "
                f"class, {new.canonical.text!r}; a set's own classes are never merged"
            )
    return told


def _apart(
    sets: Mapping[str, ClassList], synonyms: Synonyms, told: Mapping[Member, SynonymMatch]
) -> dict[frozenset[Member], str]:
    """Pairs that are not merged, with where in the file they stand."""
    apart = {}
    for pair in synonyms.distinct:
        where = synonyms.source.at(pair[0].line)
        one, other = (_find(sets, term, where)[0] for term in pair)
        both = [told[member] for member in (one, other) if member in told]
        if len(both) == 2 and both[0].canonical == both[1].canonical:
            raise LabelSpaceError(
                f"{where}: {pair[0]} and {pair[1]} are distinct here, and both are "
                f"{both[0].canonical.text!r} in lines {both[0].line} and {both[1].line}"
            )
        apart[frozenset((one, other))] = where
    return apart


def _split(
    sets: Mapping[str, ClassList], members: Sequence[Member], apart: Mapping[frozenset[Member], str]
) -> list[list[Member]]:
    """The parts of a group whose distinct members are kept apart.

    Raises SpaceError where the pairs leave open to which part a member belongs.
    """
    parts: list[list[Member]] = []
    for member in members:
        pairs = [[frozenset((member, other)) for other in part] for part in parts]
        joined = [part for part, of in zip(parts, pairs, strict=True) if not apart.keys() & set(of)]
        mixed = [of for of in pairs if 0 < sum(pair in apart for pair in of) < len(of)]
        if len(joined) > 1 or mixed:
            named = {pair: where for pair, where in apart.items() if pair <= set(members)}
            pair, where = next(iter(named.items()))
            others = " and ".join(shown(sets, each) for each in sorted(pair))
            rest = ", ".join(shown(sets, each) for each in members if each not in pair)
            raise LabelSpaceError(
                f"{where}: {others} are distinct, and {rest} has the same name; "
                "add a pair that says which of them it is not"
            )
        if joined:
            joined[0].append(member)
        else:
            parts.append([member])
    return parts


def _named(
    sets: Mapping[str, ClassList],
    parts: Sequence[Sequence[Member]],
    told: Mapping[Member, SynonymMatch],
) -> tuple[Group, ...]:
    """Canonical names, else those of the first set; with their set where two would be the same."""
    names = []
    for part in parts:
        canonical = [told[member].canonical.text for member in part if member in told]
        names.append(canonical[0] if canonical else name_of(sets, part[0]))
    count = Counter(normalised_name(name) for name in names)
    names = [
        name if count[normalised_name(name)] == 1 else f"{name} ({part[0].of})"
        for name, part in zip(names, parts, strict=True)
    ]
    taken: dict[str, str] = {}
    for name in names:
        if normalised_name(name) in taken:
            raise LabelSpaceError(
                f"{taken[normalised_name(name)]!r} and {name!r} would be the same name of two "
                "merged classes; give one of them a canonical name in the synonyms"
            )
        if fault := fault_of(name):  # with its set
            raise LabelSpaceError(
                f"{name[:60]!r} {fault}; give it a canonical name in the synonyms"
            )
        taken[normalised_name(name)] = name
    return tuple(Group(name, tuple(part)) for name, part in zip(names, parts, strict=True))
