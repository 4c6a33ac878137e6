"""A diagnosis as a table for people and as JSON for programs."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator

from launch.doctor.check_result import VERDICTS
from launch.doctor.diagnosis import Diagnosis
from launch.doctor.merge import MAX_PARTS, Row, places

CURE = "cure: "


def format_table(diagnosis: Diagnosis, width: int) -> list[str]:
    """The lines of the table, not longer than `width` where words allow it."""
    names = max((len(row.name) for row in diagnosis.rows), default=0)
    lines = _wrap(_headline(diagnosis), "", width)
    for row in diagnosis.rows:
        begin = f"{row.verdict:<7}  {row.name:<{names}}  "
        for text in _texts(row):
            lines += _wrap(text, begin, width)
            begin = " " * len(begin)
        for cure in row.cures:
            lines += _wrap(f"{CURE}{cure}", " " * len(begin), width, hanging=len(CURE))
    return [*lines, summary(diagnosis)]


def summary(diagnosis: Diagnosis) -> str:
    """`12 ok, 1 warning, 0 failed in 14 s`."""
    counts = Counter(row.verdict for row in diagnosis.rows)
    named = {"warning": "warning" if counts["warning"] == 1 else "warnings"}
    texts = [f"{counts[verdict]} {named.get(verdict, verdict)}" for verdict in VERDICTS]
    return f"{', '.join(texts)} in {diagnosis.seconds:.0f} s"


def _headline(diagnosis: Diagnosis) -> str:
    processes, hosts = diagnosis.processes, diagnosis.hosts
    if processes.world_size == 1:
        return f"doctor: one process on {hosts[processes.rank]}"
    names = len(set(hosts.values()))
    where = places(list(hosts), hosts, "process")
    count = f"{processes.world_size} processes ({processes.launcher}) on {names} "
    return f"doctor: {count}host{'s' * (names != 1)}: {where}"


def _texts(row: Row) -> Iterator[str]:
    """A line for each part of a row, with its place."""
    for part in row.parts[:MAX_PARTS]:
        verdict = f"{part.finding.verdict}: " if part.finding.verdict != row.verdict else ""
        place = f" [{part.where}]" if part.where else ""
        yield f"{verdict}{part.finding.figure}{place}"
    if len(row.parts) > MAX_PARTS:
        yield f"and {len(row.parts) - MAX_PARTS} more, see --json"


def _wrap(text: str, begin: str, width: int, hanging: int = 0) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=" " * (len(begin) + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )


def format_json(diagnosis: Diagnosis) -> str:
    """One document; it has every part of every row."""
    counts = Counter(row.verdict for row in diagnosis.rows)
    return json.dumps(
        {
            "processes": diagnosis.processes.world_size,
            "launcher": diagnosis.processes.launcher,
            "hosts": {str(rank): host for rank, host in sorted(diagnosis.hosts.items())},
            "seconds": round(diagnosis.seconds, 3),
            **{verdict: counts[verdict] for verdict in VERDICTS},
            "checks": [_row(row) for row in diagnosis.rows],
        },
        indent=1,
    )


def _row(row: Row) -> dict[str, object]:
    parts = [
        {
            "verdict": part.finding.verdict,
            "figure": part.finding.figure,
            "where": part.where,
            "ranks": list(part.ranks),
            "values": dict(part.finding.values),
        }
        for part in row.parts
    ]
    return {"name": row.name, "verdict": row.verdict, "cures": row.cures, "parts": parts}
