"""The curves in a run's log."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from launch.report.renamed import LOG_NAMES
from launch.report.tolerant_read import Warn, read_json_lines, to_count, to_number

MAX_POINTS = 1000  # of a curve in a chart
MAX_CURVES = 200
RECENT_POINTS = (3, 20)  # at least, at most


class Curve(NamedTuple):
    """A logged value by step; steps ascend, and no value is NaN."""

    steps: Int64[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]

    @property
    def last(self) -> float:
        return float(self.values[-1])

    @property
    def recent(self) -> "Curve":
        """The last tenth of the points, 3 to 20 of them; their mean is the current value."""
        least, most = RECENT_POINTS
        count = min(most, max(least, len(self.steps) // 10))
        return Curve(self.steps[-count:], self.values[-count:])

    def within(self, first: int, last: int) -> "Curve":
        """The points from step `first` to step `last`."""
        inside = (self.steps >= first) & (self.steps <= last)
        return Curve(self.steps[inside], self.values[inside])


def read_curves(file: Path, warn: Warn) -> dict[str, Curve]:
    """The curves of `log.jsonl` by current name; of a step that occurs twice, the later value.

    A run that was resumed after its log names had changed has one curve of both.
    """
    points: dict[str, tuple[list[int], list[float]]] = {}
    without_step = not_finite = 0
    omitted: set[str] = set()
    for line in read_json_lines(file, warn):
        step = to_count(line.pop("step", None))
        if step is None:
            without_step += 1
            continue
        for logged_name, value in line.items():
            name = LOG_NAMES.get(logged_name, logged_name)
            number = to_number(value)
            if number != number:
                not_finite += 1
            elif name in points or len(points) < MAX_CURVES:
                steps, values = points.setdefault(name, ([], []))
                steps.append(step)
                values.append(number)
            else:
                omitted.add(name)
    if without_step:
        warn(f"{file.name}: {without_step:,} lines without a step are omitted")
    if not_finite:
        warn(f"{file.name}: {not_finite:,} values are not finite numbers and are omitted")
    if omitted:
        warn(f"{file.name}: {MAX_CURVES} of {len(omitted) + MAX_CURVES} curves are shown")
    return {name: _to_curve(*each) for name, each in points.items()}


def _to_curve(steps: list[int], values: list[float]) -> Curve:
    step_array, value_array = np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)
    order = np.argsort(step_array, kind="stable")
    step_array, value_array = step_array[order], value_array[order]
    is_last = np.append(step_array[1:] != step_array[:-1], True)
    return Curve(step_array[is_last], value_array[is_last])


def downsample(curve: Curve, max_points: int = MAX_POINTS) -> Curve:
    """At most `max_points`: the lowest and the highest of each of many equal intervals, so that no
    spike is lost, and the first and the last point."""
    count = len(curve.steps)
    if count <= max_points:
        return curve
    edges = np.linspace(0, count, (max_points - 2) // 2 + 1).astype(np.int64)
    chosen = {0, count - 1}
    for begin, end in pairwise(edges):
        interval = curve.values[begin:end]
        chosen |= {int(begin + interval.argmin()), int(begin + interval.argmax())}
    indices = np.array(sorted(chosen))
    return Curve(curve.steps[indices], curve.values[indices])


def ratio(numerator: Curve, denominator: Curve) -> Curve:
    """The quotient at the steps of both curves; points with denominator 0 are omitted."""
    steps, first, second = np.intersect1d(numerator.steps, denominator.steps, return_indices=True)
    divisors = denominator.values[second]
    valid = divisors != 0
    return Curve(steps[valid], numerator.values[first][valid] / divisors[valid])
