"""Leaks: recordings of one part of a split that are also in another, or in pretraining.

Recordings are compared by content, and by how they look, which finds them in other bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from finetune.data.splits import PARTS, SplitError, identities_of
from video.near_duplicates.match import Match
from video.near_duplicates.pairs import count_incomparable, similar_between, too_many_pairs
from video.recording import Recording

Parts = Mapping[str, Sequence[Recording]]
ALLOW = "data.allow_similar=true"
MAX_LISTED = 20
IF_DIFFERENT = "if they show different operations"


class _Member(NamedTuple):
    """A recording in a part of a set."""

    dataset: str
    recording: Recording


def require_separate_parts(
    sets: Mapping[str, Parts], allow_similar: bool, allow: str = ALLOW
) -> list[str]:
    """Warnings about recordings of different parts, also of different sets, that look alike.

    Raises SplitError where they do, or where sets share a recording, unless `allow_similar`. That
    the parts of one set share none is checked where it is read. `allow`: the key or option that
    accepts such pairs, for messages.
    """
    members = {
        part: [_Member(name, each) for name, parts in sets.items() for each in parts.get(part, ())]
        for part in PARTS
    }
    found = [
        f"{_of(second, other, sets)} {how} {_of(first, part, sets)}"
        for part, other in combinations(PARTS, 2)
        for first, second, how in _alike(members[part], members[other])
    ]
    if found and not allow_similar:
        raise SplitError(
            f"data: {found[0]}{_more(found)}; put both into one part, or set {allow} {IF_DIFFERENT}"
        )
    texts = {part: [each.recording.fingerprint for each in own] for part, own in members.items()}
    pairs = [len(texts[one]) * len(texts[other]) for one, other in combinations(PARTS, 2)]
    every = [text for own in texts.values() for text in own]
    return [
        *_listed(found, allow),
        *_uncompared(every if any(pairs) else [], max(pairs), "recordings"),
    ]


def _of(member: _Member, part: str, sets: Mapping[str, Parts]) -> str:
    of_set = f" of {member.dataset}" if len(sets) > 1 else ""
    return f"{member.recording.path} in {part}{of_set}"


def _alike(
    ones: Sequence[_Member], others: Sequence[_Member]
) -> Iterator[tuple[_Member, _Member, str]]:
    """Pairs that are the same recording in different sets, or look alike."""
    known: dict[str, _Member] = {}
    for one in ones:
        known |= dict.fromkeys(identities_of(one.recording), one)
    for other in others:
        same = [known[each] for each in sorted(identities_of(other.recording)) if each in known]
        if same and same[0].dataset != other.dataset:
            yield same[0], other, "is the same recording as"
    for first, second, match in _look_alike(
        [one.recording for one in ones], [other.recording for other in others]
    ):
        yield ones[first], others[second], f"looks like ({match})"


def _look_alike(
    ones: Sequence[Recording], others: Sequence[Recording]
) -> Iterator[tuple[int, int, Match]]:
    """Positions of recordings that look alike and are not the same by path or content."""
    texts = [[each.fingerprint for each in each_side] for each_side in (ones, others)]
    for first, second, match in similar_between(*texts):
        if identities_of(ones[first]).isdisjoint(identities_of(others[second])):
            yield first, second, match


def require_unseen(
    parts: Parts, pretrained_on: Sequence[Mapping[str, Any]], allow_similar: bool
) -> list[str]:
    """Warnings about recordings of val or test that may be among those of pretraining.

    Raises SplitError if the encoder was pretrained on one of them, or, unless `allow_similar`, on
    one that looks like it. `pretrained_on`: the field `recordings` of the encoder's metadata
    (path, content, original, original_content, fingerprint).
    """
    contents = _values(pretrained_on, "content", "original_content")
    tested = [(part, each) for part in ("val", "test") for each in parts.get(part, ())]
    for part, recording in tested:
        if recording.contents & contents:
            raise SplitError(
                f"data: {recording.path} is in {part}, and the encoder was pretrained on it; "
                "use another encoder, or move the recording to train"
            )
    texts = [str(entry.get("fingerprint") or "") for entry in pretrained_on]
    found = [
        f"{tested[second][1].path} in {tested[second][0]} looks like "
        f"{pretrained_on[first].get('path')}, on which the encoder was pretrained ({match})"
        for first, second, match in similar_between(texts, [each.fingerprint for _, each in tested])
    ]
    if found and not allow_similar:
        raise SplitError(
            f"data: {found[0]}{_more(found)}; use another encoder, move the recording to train, "
            f"or set {ALLOW} {IF_DIFFERENT}"
        )
    if not tested or not pretrained_on:
        return []
    return [
        *_listed(found, ALLOW),
        *_same_names(tested, pretrained_on),
        *_uncompared(texts, len(texts) * len(tested), "recordings of pretraining"),
    ]


def _same_names(
    tested: Sequence[tuple[str, Recording]], pretrained_on: Sequence[Mapping[str, Any]]
) -> list[str]:
    """A warning where recordings share a name with those of pretraining, and nothing else."""
    names = {Path(each).name for each in _values(pretrained_on, "path", "original")}
    same = [
        f"{recording.path} in {part}"
        for part, recording in tested
        if {Path(each).name for each in (recording.path, recording.original) if each} & names
    ]
    if not same:
        return []
    return [
        f"warning: {same[0]}{_more(same)} has the name of a recording on which the encoder was "
        "pretrained, but not its content; if it is the same operation, move it to train"
    ]


def _values(pretrained_on: Sequence[Mapping[str, Any]], *keys: str) -> set[str]:
    return {str(entry[key]) for entry in pretrained_on for key in keys if entry.get(key)}


def _uncompared(texts: Sequence[str], pairs: int, what: str) -> list[str]:
    """A warning where recordings can be compared by content only."""
    if note := too_many_pairs(pairs):
        return [f"warning: {note}"]
    missing = count_incomparable(texts)
    if not missing:
        return []
    return [
        f"warning: {missing} of {len(texts)} {what} have no fingerprint, or show too little, so "
        "their leaks are found by content only; `python -m video check` adds fingerprints"
    ]


def _more(found: Sequence[str]) -> str:
    return f", and {len(found) - 1} more" if len(found) > 1 else ""


def _listed(found: Sequence[str], allow: str) -> list[str]:
    lines = [f"warning: {each}; {allow} accepts it" for each in found[:MAX_LISTED]]
    if len(found) > MAX_LISTED:
        lines.append(f"warning: {len(found) - MAX_LISTED} more pairs look alike")
    return lines
