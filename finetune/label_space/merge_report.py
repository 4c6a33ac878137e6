"""What a merge did, by its names, for the one who must judge whether it is right."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from finetune.label_space.class_lists import ClassList
from finetune.label_space.merge import Group, name_of, shown
from finetune.label_space.name_matching import ALIKE, likeness, normalised_name, words
from finetune.label_space.synonyms import Synonyms


class Pair(NamedTuple):
    """Two merged classes that no set has both of, and how alike their names are."""

    one: Group
    other: Group
    likeness: float  # 1 where all words of one name are words of the other


def alike(sets: Mapping[str, ClassList], groups: Sequence[Group]) -> list[Pair]:
    """Merged classes whose names are so alike that they may have been meant as one.

    Two classes that one set has are two, whatever their names.
    """
    of = [{member.of for member in group.members} for group in groups]
    named = [
        {words(name_of(sets, member)) for member in group.members} | {words(group.name)}
        for group in groups
    ]
    found = []
    for one, other in combinations(range(len(groups)), 2):
        if of[one] & of[other]:
            continue
        most = max(likeness(a, b) for a in named[one] for b in named[other])
        if most >= ALIKE:
            found.append(Pair(groups[one], groups[other], most))
    return sorted(found, key=lambda pair: -pair.likeness)


def report(
    sets: Mapping[str, ClassList], groups: Sequence[Group], synonyms: Synonyms | None = None
) -> list[str]:
    """Counts, every merge with its names by set, what one set has alone, and what is alike."""
    merged = [group for group in groups if len(group.members) > 1]
    lines = [
        f"{of}: {len(held.entries)} classes of {held.source.path}" for of, held in sets.items()
    ]
    total = sum(len(held.entries) for held in sets.values())
    lines.append(f"merged space: {len(groups)} classes of {total}, {len(merged)} of several sets")
    lines += (f"merged: {_group(sets, group)}" for group in merged)
    for of in sets:
        alone = [g.name for g in groups if len(g.members) == 1 and g.members[0].of == of]
        lines.append(f"only in {of}: {len(alone)}" + (f" ({'; '.join(alone)})" if alone else ""))
    apart = told_apart(sets, groups, synonyms)
    lines += (f"told apart: {_two(sets, *pair)}" for pair in apart)
    pairs = [pair for pair in alike(sets, groups) if (pair.one, pair.other) not in apart]
    lines.append(f"alike, but not merged: {len(pairs)}" + (", see below" if pairs else ""))
    lines += (f"alike ({p.likeness:.2f}): {_two(sets, p.one, p.other)}" for p in pairs)
    return lines


def told_apart(
    sets: Mapping[str, ClassList], groups: Sequence[Group], synonyms: Synonyms | None
) -> list[tuple[Group, Group]]:
    """Merged classes that the synonyms keep apart: by a distinct pair, or though sets call them
    the same, each with the one before it in the space.
    """
    named: dict[str | tuple[str, str], list[Group]] = {}
    for group in groups:
        for member in group.members:
            wanted = normalised_name(name_of(sets, member))
            named.setdefault((member.of, wanted), []).append(group)
            if group not in named.setdefault(wanted, []):
                named[wanted].append(group)
    found = [
        pair
        for wanted, namesakes in named.items()
        if isinstance(wanted, str)
        for pair in combinations(namesakes, 2)
    ]
    for terms in synonyms.distinct if synonyms else ():
        one, other = (named[term.of or "", normalised_name(term.name)][0] for term in terms)
        found.append((one, other) if groups.index(one) < groups.index(other) else (other, one))
    return list(dict.fromkeys(found))


def _group(sets: Mapping[str, ClassList], group: Group) -> str:
    return f"{group.name!r}: " + ", ".join(shown(sets, member) for member in group.members)


def _two(sets: Mapping[str, ClassList], one: Group, other: Group) -> str:
    return " and ".join(
        ", ".join(shown(sets, member) for member in group.members) for group in (one, other)
    )
