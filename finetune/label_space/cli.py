"""Files of class names merged into the file of a space: what `python -m finetune merge` does."""

import os
from collections.abc import Mapping
from pathlib import Path

from finetune.label_space.class_lists import read_classes
from finetune.label_space.label_space import LabelSpace, read_label_space, write_label_space
from finetune.label_space.merge import Group, Member, merge
from finetune.label_space.merge_report import report
from finetune.label_space.name_matching import SET_NAME
from finetune.label_space.parse import LabelSpaceError
from finetune.label_space.synonyms import read_synonyms


def merge_files(out: Path, sets: Mapping[str, Path], synonyms: Path | None = None) -> list[str]:
    """Writes the merged space of the sets, names to files of classes, and reports in lines.

    Replaces a space at `out` and says so, and no other file. Raises SpaceError.
    """
    for of in sets:
        if not SET_NAME.fullmatch(of):
            raise LabelSpaceError(
                f"set {of!r:.60}: a set's name has letters, digits, _ - . and + only"
            )
    if not sets:
        raise LabelSpaceError(f"{out}: of no sets; give each as NAME=FILE")
    replaced = _replaced(out)
    lists = {of: read_classes(path) for of, path in sets.items()}
    told = read_synonyms(synonyms, sets) if synonyms else None
    groups = merge(lists, told)
    merged = space_of(
        groups,
        {of: held.names for of, held in lists.items()},
        {of: held.source.sha256 for of, held in lists.items()},
        told.source.sha256 if told else "",
    )
    lines = report(lists, groups, told)
    if merged == replaced:
        return [*lines, f"as it was: {out}"]
    if replaced and replaced.classes != merged.classes:
        lines.append(
            f"replaced: {out}, which had {len(replaced.classes)} classes; heads trained on it do "
            "not fit the new one"
        )
    write_label_space(out, merged)
    return [*lines, f"written: {out}"]


def space_of(
    groups: tuple[Group, ...],
    names: Mapping[str, tuple[str, ...]],
    sha256: Mapping[str, str],
    synonyms: str,
) -> LabelSpace:
    """`names`: the classes of each set by index; `sha256`, `synonyms`: of the files."""
    merged = {member: index for index, group in enumerate(groups) for member in group.members}
    indices = {
        of: tuple(merged[Member(of, index)] for index in range(len(own)))
        for of, own in names.items()
    }
    return LabelSpace(
        tuple(group.name for group in groups), indices, dict(names), dict(sha256), synonyms
    )


def _replaced(out: Path) -> LabelSpace | None:
    """The space that stands at `out`. Raises SpaceError where something else does."""
    if not os.path.lexists(out):
        return None
    try:
        return read_label_space(out)
    except LabelSpaceError as error:
        raise LabelSpaceError(
            f"{out}: is there and no label space; take another name ({error})"
        ) from None
