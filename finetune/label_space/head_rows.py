"""Which rows of a trained head are the classes of a target: by a space, or as a file lists them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from finetune.label_space.label_space import LabelSpace
from finetune.label_space.name_matching import nearest, normalised_name
from finetune.label_space.parse import LabelSpaceError, parse_json, read_source

FRESH = -1
SHOWN = 8  # names in an error

Meanings = dict[str, set[int]]
"""Merged classes by a name as it is compared."""


class HeadRows(NamedTuple):
    """For each class of a target the row of a trained head."""

    rows: Int64[np.ndarray, " k"]  # FRESH where the head has none
    trained: int  # rows that the head has
    target: tuple[str, ...]  # the classes; their numbers where only those are known

    @property
    def fresh(self) -> tuple[str, ...]:
        """Classes that the trained head has no row for."""
        return tuple(n for n, row in zip(self.target, self.rows, strict=True) if row == FRESH)

    @property
    def repeated(self) -> dict[int, tuple[str, ...]]:
        """Rows that more than one class takes, with these classes."""
        taken: dict[int, list[str]] = {}
        for name, row in zip(self.target, self.rows.tolist(), strict=True):
            taken.setdefault(row, []).append(name)
        return {row: tuple(n) for row, n in taken.items() if row != FRESH and len(n) > 1}

    def lines(self) -> list[str]:
        """How many classes begin with a trained row, which do not, and which share one."""
        fresh = self.fresh
        lines = [
            f"head: {len(self.target) - len(fresh)} of {len(self.target)} classes from the "
            f"{self.trained} trained"
        ]
        lines += [f"head: fresh: {'; '.join(fresh)}"] if fresh else []
        lines += (f"head: one row, {r}: {'; '.join(n)}" for r, n in self.repeated.items())
        return lines


def rows_for(
    space: LabelSpace,
    trained: Sequence[str],
    target: Sequence[str],
    of: str | None = None,
    allow_fresh: bool = False,
) -> HeadRows:
    """The row of a head on `trained` for each of the classes `target`.

    `of`: the set of the space whose classes the target's are, so that its names are meant; else a
    name is that of a merged class, or what any set calls one. Raises SpaceError where a name may be
    two merged classes, and where one has no row, unless `allow_fresh`.
    """
    _require_once("trained", trained)
    _require_once("target", target)
    any_name = _table(
        pair
        for each, names in space.names.items()
        for pair in zip(space.sets[each], names, strict=True)
    )
    merged = _table(enumerate(space.classes))
    for name, indices in merged.items():
        any_name.setdefault(name, set()).update(indices)
    # all merged classes together: each name is its own, whatever sets call by it
    of_trained, of_target = (
        merged if {normalised_name(name) for name in names} == merged.keys() else any_name
        for names in (trained, target)
    )
    if of is not None:
        of_target = _table(zip(space.to_merged(of).tolist(), space.names[of], strict=True))
    row_of: dict[int | str, list[int]] = {}
    for row, name in enumerate(trained):
        row_of.setdefault(_meaning(space, name, of_trained, "trained"), []).append(row)
    rows = []
    for name in target:
        found = row_of.get(_meaning(space, name, of_target, "target"), [])
        if len(found) > 1:
            both = " and ".join(repr(trained[row]) for row in found)
            raise LabelSpaceError(f"target: {name!r} is both {both} of the trained head; drop one")
        rows.append(found[0] if found else FRESH)
    result = HeadRows(np.asarray(rows, dtype=np.int64), len(trained), tuple(target))
    if result.fresh and not allow_fresh:
        raise LabelSpaceError(_missing(result, tuple(trained)))
    return result


def read_rows(path: Path, trained: int, target: int) -> HeadRows:
    """Rows as the field publishes them: a JSON list with one of 0 to `trained` - 1 for each of
    `target` classes. Raises SpaceError.
    """
    held = parse_json(read_source(path))
    wrong = [row for row in held if type(row) is not int] if isinstance(held, list) else [held]
    if wrong:
        raise LabelSpaceError(
            f"{path}: rows are a JSON list of whole numbers, not {wrong[0]!r:.60}"
        )
    if len(held) != target:
        raise LabelSpaceError(f"{path}: has {len(held)} rows, the target has {target} classes")
    for number, row in enumerate(held):
        if not 0 <= row < trained:
            raise LabelSpaceError(
                f"{path}: class {number} has row {row!r:.20}, the trained head has 0 to "
                f"{trained - 1}"
            )
    names = tuple(str(number) for number in range(target))
    return HeadRows(np.asarray(held, dtype=np.int64), trained, names)


def _table(pairs: Iterable[tuple[int, str]]) -> Meanings:
    held: Meanings = {}
    for index, name in pairs:
        held.setdefault(normalised_name(name), set()).add(index)
    return held


def _meaning(space: LabelSpace, name: str, table: Meanings, where: str) -> int | str:
    """The merged class that a name means; the compared name itself where the space has none."""
    found = sorted(table.get(normalised_name(name), ()))
    if len(found) > 1:
        both = " and ".join(repr(space.classes[index]) for index in found)
        raise LabelSpaceError(
            f"{where}: {name!r} may be {both} of the merged classes; say whose classes these are, "
            f"of the sets {', '.join(space.sets)}"
        )
    return found[0] if found else normalised_name(name)


def _require_once(where: str, names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(normalised_name(name), name)
        if other is not name:
            raise LabelSpaceError(f"{where}: {name!r} stands twice, as {other!r}")


def _missing(rows: HeadRows, trained: tuple[str, ...]) -> str:
    names = [f"{name!r}{nearest(name, trained)}" for name in rows.fresh[:SHOWN]]
    more = f" and {len(rows.fresh) - SHOWN} more" if len(rows.fresh) > SHOWN else ""
    return (
        f"target: {len(rows.fresh)} of {len(rows.target)} classes have no row in the trained head: "
        f"{', '.join(names)}{more}; merge with synonyms, or let them begin fresh (allow_fresh)"
    )
