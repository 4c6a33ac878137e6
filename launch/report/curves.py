"""The curves of a run's log."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from launch.report.tolerant_read import Tell, number_of, read_json_lines, whole_number_of

MOST_POINTS = 1000  # of a curve that is drawn
MOST_CURVES = 200
RECENT = (3, 20)  # lines that stand for "now": at least, at most


class Curve(NamedTuple):
    """A logged figure over the steps; these ascend, and no value is NaN."""

    steps: Int64[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]

    @property
    def last(self) -> float:
        return float(self.values[-1])

    @property
    def recent(self) -> "Curve":
        """The lines that stand for "now": a tenth of all, 20 at most."""
        least, most = RECENT
        count = min(most, max(least, len(self.steps) // 10))
        return Curve(self.steps[-count:], self.values[-count:])

    def within(self, first: int, last: int) -> "Curve":
        """The steps from `first` to `last`."""
        chosen = (self.steps >= first) & (self.steps <= last)
        return Curve(self.steps[chosen], self.values[chosen])


def read_curves(file: Path, tell: Tell) -> dict[str, Curve]:
    """The figures of `log.jsonl` by name; of a step that stands there twice, the later value."""
    points: dict[str, tuple[list[int], list[float]]] = {}
    unnumbered = unfinite = 0
    left_out: set[str] = set()
    for line in read_json_lines(file, tell):
        step = whole_number_of(line.pop("step", None))
        if step is None:
            unnumbered += 1
            continue
        for name, value in line.items():
            number = number_of(value)
            if number != number:
                unfinite += 1
            elif name in points or len(points) < MOST_CURVES:
                steps, values = points.setdefault(name, ([], []))
                steps.append(step)
                values.append(number)
            else:
                left_out.add(name)
    if unnumbered:
        tell(f"{file.name}: {unnumbered:,} lines without a step are left out")
    if unfinite:
        tell(f"{file.name}: {unfinite:,} values are no finite numbers and are left out")
    if left_out:
        tell(f"{file.name}: of {len(left_out) + MOST_CURVES} figures {MOST_CURVES} are shown")
    return {name: _curve(*held) for name, held in points.items()}


def _curve(steps: list[int], values: list[float]) -> Curve:
    at, what = np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)
    order = np.argsort(at, kind="stable")
    at, what = at[order], what[order]
    is_last = np.append(at[1:] != at[:-1], True)
    return Curve(at[is_last], what[is_last])


def thin_out(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """No more than `most` points: the lowest and the highest of each of equally long stretches, so
    no spike is lost, and the first and the last."""
    count = len(curve.steps)
    if count <= most:
        return curve
    edges = np.linspace(0, count, (most - 2) // 2 + 1).astype(np.int64)
    chosen = {0, count - 1}
    for begin, end in pairwise(edges):
        part = curve.values[begin:end]
        chosen |= {int(begin + part.argmin()), int(begin + part.argmax())}
    at = np.array(sorted(chosen))
    return Curve(curve.steps[at], curve.values[at])


def ratio(above: Curve, below: Curve) -> Curve:
    """One figure over another, at the steps of both; where the other is 0 there is none."""
    steps, first, second = np.intersect1d(above.steps, below.steps, return_indices=True)
    lower = below.values[second]
    good = lower != 0
    return Curve(steps[good], above.values[first][good] / lower[good])
