"""The classes of labelled clips, and the number of each label."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn

from finetune.data.labelled_set import require_classes
from video.labels.segments import MISSING, ClipEntry, LabelError

INTEGER = re.compile(r"-?[0-9]{1,9}")
NOT_KNOWN = str(MISSING)
LabelOf = Callable[[ClipEntry], int | list[int]]
"""The label of a clip: a class or -1, or of several labels 1, 0 and -1 by class."""


def number_labels(
    entries: Sequence[ClipEntry], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], LabelOf]:
    """The classes, and which label a clip has. Raises LabelError with file and line."""
    one = next((entry for entry in entries if isinstance(entry.label, str)), None)
    many = next((entry for entry in entries if not isinstance(entry.label, str)), None)
    if one and many:
        raise LabelError(
            f"{many.location}: has a column for each class, {one.location} one label; take one form"
        )
    names, label_of = _several(entries, classes) if many else _single(entries, classes)
    require_classes(names, 1 if many else 2, entries[0].source if entries else "clips")
    return names, label_of


def _single(
    entries: Iterable[ClipEntry], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], LabelOf]:
    first: dict[str, ClipEntry] = {}  # that has a label
    for entry in entries:
        if entry.label != NOT_KNOWN:
            first.setdefault(str(entry.label), entry)
    numbers = {label: int(label) for label in first if INTEGER.fullmatch(label)}
    integers = len(numbers) == len(first)
    if classes is None and integers:
        values = sorted({number for number in numbers.values() if number >= 0})
        names = tuple(map(str, values))
        index = {label: values.index(number) for label, number in numbers.items() if number >= 0}
    else:
        names = tuple(sorted(first) if classes is None else classes)
        index = {name: i for i, name in enumerate(names)}
        if integers and not first.keys() <= index.keys():
            index = {label: i for label, i in numbers.items() if 0 <= i < len(names)}
    for label, entry in first.items():
        if label not in index:
            _refuse(entry, label, names)
    index[NOT_KNOWN] = MISSING
    return names, lambda entry: index[str(entry.label)]


def _several(
    entries: Iterable[ClipEntry], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], LabelOf]:
    first: dict[str, ClipEntry] = {}
    for entry in entries:
        for name in entry.label:
            first.setdefault(name, entry)
    names = tuple(classes or first)
    for name, entry in first.items():
        if name not in names:
            _refuse(entry, name, names)

    def label_of(entry: ClipEntry) -> list[int]:
        values = entry.label if isinstance(entry.label, Mapping) else {}
        return [values.get(name, MISSING) for name in names]

    return names, label_of


def _refuse(entry: ClipEntry, label: str, classes: Sequence[str]) -> NoReturn:
    near = get_close_matches(label, classes, n=1)
    raise LabelError(
        f"{entry.location}: {label!r} is none of the {len(classes)} classes, nor the number of one"
        + (f"; nearest: {near[0]!r}" if near else "")
    )
