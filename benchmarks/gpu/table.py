"""Outcomes as lines for people."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.gpu.check import Check
from benchmarks.gpu.figure import Figure
from benchmarks.gpu.worker import Outcome

VALUE, LIMIT = 15, 11  # columns
MARKS = {"ok": "ok", "FAILED": "FAILED", "told": "", "skipped": "skipped"}


def format_list(checks: Iterable[Check], width: int) -> list[str]:
    """A line for each check: its name, its seconds, what it asks."""
    lines = [f"{check.name:<14}{check.seconds:>4} s  {check.asks}" for check in checks]
    return [line[:width] for line in lines]


def format_head(machine: dict[str, Any], checks: int, width: int) -> list[str]:
    """What is checked: the device, the versions, the commit."""
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items() if value)
    driver = f", driver {machine['driver']}" if machine["driver"] else ""
    where = f"{machine['device']}{driver}; {machine['cores']} cores; {versions}"
    dry = "" if machine["on_gpu"] else "dry run, on tiny models: speeds and sizes are not judged; "
    text = f"{checks} checks; {dry}{where}; commit {machine['commit']}"
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def format_outcome(outcome: Outcome, on_gpu: bool, width: int) -> list[str]:
    """The verdict of a check, and below it its figures with their limits."""
    from benchmarks.gpu.checks import CHECKS

    asks, seconds = CHECKS[outcome.name].asks, f"{outcome.seconds:.0f} s"
    head = f"{outcome.verdict:<9}{outcome.name:<14}{asks}"
    lines = [f"{head:<{width - 6}}{seconds:>6}"]
    if outcome.reason:
        lines += _wrap(outcome.reason, width, " " * 9)
    for figure in outcome.figures:
        lines += _figure(figure, on_gpu, width)
    return lines


def _figure(figure: Figure, on_gpu: bool, width: int) -> Iterator[str]:
    begin = f"  {MARKS[figure.verdict(on_gpu)]:<7}"
    if isinstance(figure.value, str):
        yield from _wrap(f"{figure.name}: {figure.value}", width, begin)
        return
    limit = _limit(figure)
    room = width - len(begin) - VALUE - LIMIT - 2
    *before, last = textwrap.wrap(figure.name, room, break_on_hyphens=False)
    for line in before:
        yield f"{begin}{line}"
        begin = " " * len(begin)
    value = f"{_number(figure.value, figure.unit)}{_unit(figure.unit)}"
    yield f"{begin}{last:<{room}}{value:>{VALUE}}  {limit:<{LIMIT}}".rstrip()


def _limit(figure: Figure) -> str:
    if figure.limit is None or figure.unit == "yes":
        return ""
    return f"{figure.limit.sense} {_number(figure.limit.value, figure.unit)}"


def _unit(unit: str) -> str:
    return "" if unit in ("", "%", "yes") else f" {unit}"


def _number(value: float, unit: str) -> str:
    if unit == "yes":
        return "yes" if value else "no"
    if not math.isfinite(value):
        return str(value)
    if unit == "%":
        return f"{value:.1%}".replace(".0%", "%")
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    if abs(value) >= 0.01 and abs(1 - value) >= 0.001:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.0e}".replace("e-0", "e-") if abs(value) < 0.01 else f"{value:.6g}"


def _wrap(text: str, width: int, begin: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=" " * len(begin) + "  ",
        break_on_hyphens=False,
    )


def format_sum(outcomes: Iterable[Outcome], seconds: float) -> str:
    """`12 ok, 1 FAILED, 1 skipped in 431 s`."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    texts = [f"{counts[verdict]} {verdict}" for verdict in ("ok", "FAILED", "skipped")]
    return f"{', '.join(texts)} in {seconds:.0f} s"
