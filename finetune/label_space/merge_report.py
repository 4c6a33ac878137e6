"""The report of a merge, by which a user checks it."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from finetune.label_space.merge import ClassLists, MergedClass, describe, name_of
from finetune.label_space.name_matching import MIN_SIMILARITY, normalised_name, similarity, words
from finetune.label_space.synonyms import Synonyms


class SimilarPair(NamedTuple):
    """Two merged classes of different sets whose names are similar."""

    one: MergedClass
    other: MergedClass
    similarity: float  # 1 if all words of one name are words of the other


def similar_classes(sets: ClassLists, merged: Sequence[MergedClass]) -> list[SimilarPair]:
    """Merged classes with similar names, which perhaps should be one; most similar first.

    Classes that one set has side by side are different, whatever their names.
    """
    set_names = [{member.set_name for member in each.members} for each in merged]
    names = [
        {words(name_of(sets, member)) for member in each.members} | {words(each.name)}
        for each in merged
    ]
    found = []
    for one, other in combinations(range(len(merged)), 2):
        if set_names[one] & set_names[other]:
            continue
        most = max(similarity(a, b) for a in names[one] for b in names[other])
        if most >= MIN_SIMILARITY:
            found.append(SimilarPair(merged[one], merged[other], most))
    return sorted(found, key=lambda pair: -pair.similarity)


def report(
    sets: ClassLists, merged: Sequence[MergedClass], synonyms: Synonyms | None = None
) -> list[str]:
    """Counts, every merge, the classes of one set only, and similar names, in lines."""
    shared = [each for each in merged if len(each.members) > 1]
    lines = [
        f"{name}: {len(each.entries)} classes of {each.source.path}" for name, each in sets.items()
    ]
    total = sum(len(each.entries) for each in sets.values())
    lines.append(f"label space: {len(merged)} classes from {total}, {len(shared)} of several sets")
    lines += (f"merged: {_describe_class(sets, each)}" for each in shared)
    for name in sets:
        own = [m.name for m in merged if len(m.members) == 1 and m.members[0].set_name == name]
        lines.append(f"only in {name}: {len(own)}" + (f" ({'; '.join(own)})" if own else ""))
    distinct = distinct_classes(sets, merged, synonyms)
    lines += (f"distinct: {_describe_pair(sets, *pair)}" for pair in distinct)
    similar = [each for each in similar_classes(sets, merged) if each[:2] not in distinct]
    lines.append(f"similar, but not merged: {len(similar)}" + (", see below" if similar else ""))
    for one, other, ratio in similar:
        lines.append(f"similar ({ratio:.2f}): {_describe_pair(sets, one, other)}")
    return lines


def distinct_classes(
    sets: ClassLists, merged: Sequence[MergedClass], synonyms: Synonyms | None
) -> list[tuple[MergedClass, MergedClass]]:
    """Merged classes that synonyms keep separate, as pairs in the order of the label space.

    They are pairs of `distinct`, and classes with the same name of which one has a synonym.
    """
    by_name: dict[str | tuple[str, str], list[MergedClass]] = {}
    for each in merged:
        for member in each.members:
            name = normalised_name(name_of(sets, member))
            by_name.setdefault((member.set_name, name), []).append(each)
            if each not in by_name.setdefault(name, []):
                by_name[name].append(each)
    found = [
        pair
        for name, same_name in by_name.items()
        if isinstance(name, str)
        for pair in combinations(same_name, 2)
    ]
    for terms in synonyms.distinct if synonyms else ():
        one, other = (by_name[term.set_name or "", normalised_name(term.name)][0] for term in terms)
        found.append((one, other) if merged.index(one) < merged.index(other) else (other, one))
    return list(dict.fromkeys(found))


def _describe_members(sets: ClassLists, each: MergedClass) -> str:
    return ", ".join(describe(sets, member) for member in each.members)


def _describe_class(sets: ClassLists, each: MergedClass) -> str:
    return f"{each.name!r}: {_describe_members(sets, each)}"


def _describe_pair(sets: ClassLists, one: MergedClass, other: MergedClass) -> str:
    return f"{_describe_members(sets, one)} and {_describe_members(sets, other)}"
