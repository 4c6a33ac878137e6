"""The classes of labelled clips, and the class index of each label."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn

from finetune.data.labelled_set import require_classes
from video.labels.segments import MISSING, ClipEntry, LabelError

INTEGER = re.compile(r"-?[0-9]{1,9}")
UNKNOWN = str(MISSING)
LabelOf = Callable[[ClipEntry], int | list[int]]
"""The label of a clip: a class index or -1; for multi-label sets 1, 0 and -1 by class."""


def index_labels(
    entries: Sequence[ClipEntry], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], LabelOf]:
    """The class names, and a function from clips to labels.

    Raises LabelError with file and line.
    """
    single = next((entry for entry in entries if isinstance(entry.label, str)), None)
    multi = next((entry for entry in entries if not isinstance(entry.label, str)), None)
    if single and multi:
        raise LabelError(
            f"{multi.location}: has a column for each class, but {single.location} has one label; "
            "use one form for all clips"
        )
    names, label_of = (_index_multi if multi else _index_single)(entries, classes)
    require_classes(names, 1 if multi else 2, entries[0].source if entries else "clips")
    return names, label_of


def _index_single(
    entries: Iterable[ClipEntry], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], LabelOf]:
    first: dict[str, ClipEntry] = {}  # the first entry with each label
    for entry in entries:
        if entry.label != UNKNOWN:
            first.setdefault(str(entry.label), entry)
    numbers = {label: int(label) for label in first if INTEGER.fullmatch(label)}
    all_integers = len(numbers) == len(first)
    if classes is None and all_integers:
        values = sorted({number for number in numbers.values() if number >= 0})
        names = tuple(map(str, values))
        index = {label: values.index(number) for label, number in numbers.items() if number >= 0}
    else:
        names = tuple(sorted(first) if classes is None else classes)
        index = {name: i for i, name in enumerate(names)}
        if all_integers and not first.keys() <= index.keys():
            index = {label: i for label, i in numbers.items() if 0 <= i < len(names)}
    for label, entry in first.items():
        if label not in index:
            _refuse(entry, label, names)
    index[UNKNOWN] = MISSING
    return names, lambda entry: index[str(entry.label)]


def _index_multi(
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
        f"{entry.location}: {label!r} is neither one of the {len(classes)} classes nor an index"
        + (f"; nearest: {near[0]!r}" if near else "")
    )
