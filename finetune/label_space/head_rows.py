"""Which row of a trained head belongs to each target class: by a label space, or by a file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from finetune.label_space.label_space import LabelSpace
from finetune.label_space.name_matching import nearest, normalised_name
from finetune.label_space.parse import LabelSpaceError, parse_json, read_source

NO_ROW = -1
MAX_NAMES = 8  # in an error

Meanings = dict[str, set[int]]
"""Indices of merged classes by normalised name."""


class HeadRows(NamedTuple):
    """For each target class, the row of a trained head."""

    rows: Int64[np.ndarray, " k"]  # NO_ROW if the head has none
    trained: int  # number of rows of the head
    target: tuple[str, ...]  # class names; their indices if only these are known

    @property
    def without_row(self) -> tuple[str, ...]:
        """Target classes that the trained head has no row for."""
        return tuple(n for n, row in zip(self.target, self.rows, strict=True) if row == NO_ROW)

    @property
    def repeated(self) -> dict[int, tuple[str, ...]]:
        """Rows that several target classes take, with these classes."""
        classes: dict[int, list[str]] = {}
        for name, row in zip(self.target, self.rows.tolist(), strict=True):
            classes.setdefault(row, []).append(name)
        return {row: tuple(n) for row, n in classes.items() if row != NO_ROW and len(n) > 1}

    def lines(self) -> list[str]:
        """A report: how many classes have a trained row, which have none, and which share one."""
        without_row = self.without_row
        lines = [
            f"head: {len(self.target) - len(without_row)} of {len(self.target)} classes have one "
            f"of the {self.trained} trained rows"
        ]
        lines += [f"head: random rows: {'; '.join(without_row)}"] if without_row else []
        lines += (f"head: share row {row}: {'; '.join(n)}" for row, n in self.repeated.items())
        return lines


def rows_for(
    space: LabelSpace,
    trained: Sequence[str],
    target: Sequence[str],
    set_name: str | None = None,
    allow_fresh: bool = False,
) -> HeadRows:
    """The row for each of the classes `target` in a head with the classes `trained`.

    `set_name`: the set of the label space that the target classes belong to; None: a name is that
    of a merged class, or of any set's class. Raises LabelSpaceError if a name may mean two merged
    classes, or if a class has no row, unless `allow_fresh`.
    """
    _require_unique("trained", trained)
    _require_unique("target", target)
    any_name = _meanings(
        pair
        for each, names in space.names.items()
        for pair in zip(space.sets[each], names, strict=True)
    )
    merged = _meanings(enumerate(space.classes))
    for name, indices in merged.items():
        any_name.setdefault(name, set()).update(indices)
    # if the names are exactly the merged classes, each means itself, whatever sets call by it
    of_trained, of_target = (
        merged if {normalised_name(name) for name in names} == merged.keys() else any_name
        for names in (trained, target)
    )
    if set_name is not None:
        pairs = zip(space.to_merged(set_name).tolist(), space.names[set_name], strict=True)
        of_target = _meanings(pairs)
    rows_of: dict[int | str, list[int]] = {}
    for row, name in enumerate(trained):
        rows_of.setdefault(_meaning(space, name, of_trained, "trained"), []).append(row)
    rows = []
    for name in target:
        found = rows_of.get(_meaning(space, name, of_target, "target"), [])
        if len(found) > 1:
            both = " and ".join(repr(trained[row]) for row in found)
            raise LabelSpaceError(
                f"target: {name!r} is both {both} of the trained head; remove one"
            )
        rows.append(found[0] if found else NO_ROW)
    result = HeadRows(np.asarray(rows, dtype=np.int64), len(trained), tuple(target))
    if result.without_row and not allow_fresh:
        raise LabelSpaceError(_missing_rows(result, tuple(trained)))
    return result


def read_rows(path: Path, trained: int, target: int) -> HeadRows:
    """Rows from a JSON list, as VideoMAE V2 publishes them: one index for each target class.

    `trained`, `target`: the numbers of classes. Raises LabelSpaceError.
    """
    rows = parse_json(read_source(path))
    wrong = [row for row in rows if type(row) is not int] if isinstance(rows, list) else [rows]
    if wrong:
        raise LabelSpaceError(f"{path}: expected a JSON list of integers, not {wrong[0]!r:.60}")
    if len(rows) != target:
        raise LabelSpaceError(f"{path}: has {len(rows)} rows, the target has {target} classes")
    for index, row in enumerate(rows):
        if not 0 <= row < trained:
            raise LabelSpaceError(
                f"{path}: class {index} has row {row!r:.20}, the trained head has 0 to "
                f"{trained - 1}"
            )
    names = tuple(str(index) for index in range(target))
    return HeadRows(np.asarray(rows, dtype=np.int64), trained, names)


def _meanings(pairs: Iterable[tuple[int, str]]) -> Meanings:
    meanings: Meanings = {}
    for index, name in pairs:
        meanings.setdefault(normalised_name(name), set()).add(index)
    return meanings


def _meaning(space: LabelSpace, name: str, meanings: Meanings, side: str) -> int | str:
    """The merged class that a name means; the normalised name if the space has none."""
    found = sorted(meanings.get(normalised_name(name), ()))
    if len(found) > 1:
        options = " or ".join(repr(space.classes[index]) for index in found)
        raise LabelSpaceError(
            f"{side}: {name!r} may be {options} of the merged classes; name the set that the "
            f"classes belong to, one of {', '.join(space.sets)}"
        )
    return found[0] if found else normalised_name(name)


def _require_unique(side: str, names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(normalised_name(name), name)
        if other is not name:
            raise LabelSpaceError(f"{side}: {name!r} is there twice, also as {other!r}")


def _missing_rows(rows: HeadRows, trained: tuple[str, ...]) -> str:
    missing = rows.without_row
    names = [f"{name!r}{nearest(name, trained)}" for name in missing[:MAX_NAMES]]
    more = f" and {len(missing) - MAX_NAMES} more" if len(missing) > MAX_NAMES else ""
    return (
        f"target: {len(missing)} of {len(rows.target)} classes have no row in the trained head: "
        f"{', '.join(names)}{more}; merge with synonyms, or give them random rows (allow_fresh)"
    )
