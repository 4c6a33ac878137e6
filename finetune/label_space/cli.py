"""`python -m finetune merge`: merges class lists into the file of a label space."""

import os
from collections.abc import Mapping
from pathlib import Path

from finetune.label_space.class_lists import read_classes
from finetune.label_space.label_space import LabelSpace, read_label_space, write_label_space
from finetune.label_space.merge import Member, MergedClass, merge
from finetune.label_space.merge_report import report
from finetune.label_space.name_matching import SET_NAME
from finetune.label_space.parse import LabelSpaceError
from finetune.label_space.synonyms import read_synonyms
from launch.atomic_io import require_writable


def merge_files(out: Path, sets: Mapping[str, Path], synonyms: Path | None = None) -> list[str]:
    """Writes the label space of the sets, and returns the lines of the report.

    `sets`: the class list of each set. Replaces a label space at `out`, and no other file. Raises
    LabelSpaceError.
    """
    for name in sets:
        if not SET_NAME.fullmatch(name):
            raise LabelSpaceError(
                f"set {name!r:.60}: the name of a set has letters, digits, _ - . and + only"
            )
    if not sets:
        raise LabelSpaceError(f"{out}: no sets are given; give each as NAME=FILE")
    replaced = _existing(out)
    require_writable(out)
    lists = {name: read_classes(path) for name, path in sets.items()}
    matching = read_synonyms(synonyms, sets) if synonyms else None
    merged = merge(lists, matching)
    space = space_of(
        merged,
        {name: each.names for name, each in lists.items()},
        {name: each.source.sha256 for name, each in lists.items()},
        matching.source.sha256 if matching else "",
    )
    lines = report(lists, merged, matching)
    if space == replaced:
        return [*lines, f"unchanged: {out}"]
    if replaced and replaced.classes != space.classes:
        lines.append(
            f"replaced: {out}, which had {len(replaced.classes)} classes; heads trained on it do "
            "not fit the new one"
        )
    write_label_space(out, space)
    return [*lines, f"written: {out}"]


def space_of(
    merged: tuple[MergedClass, ...],
    names: Mapping[str, tuple[str, ...]],
    sha256: Mapping[str, str],
    synonyms: str,
) -> LabelSpace:
    """`names`: the classes of each set by index; `sha256`, `synonyms`: digests of the files."""
    index_of = {member: index for index, each in enumerate(merged) for member in each.members}
    indices = {
        name: tuple(index_of[Member(name, index)] for index in range(len(own)))
        for name, own in names.items()
    }
    classes = tuple(each.name for each in merged)
    return LabelSpace(classes, indices, dict(names), dict(sha256), synonyms)


def _existing(out: Path) -> LabelSpace | None:
    """The label space at `out`. Raises LabelSpaceError if another file is there."""
    if not os.path.lexists(out):
        return None
    try:
        return read_label_space(out)
    except LabelSpaceError as error:
        raise LabelSpaceError(
            f"{out}: exists and is not a label space; choose another name ({error})"
        ) from None
