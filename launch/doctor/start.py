"""The part of the checks that takes milliseconds, at the start of a run."""

import dataclasses
import socket
from collections.abc import Iterator

from launch.distributed.process_group import Processes, gather_objects
from launch.doctor.check_result import Finding, Place
from launch.doctor.checks import CHECKS
from launch.doctor.merge import Row, merge

CHECK_SECONDS = 60.0  # none takes that long


def start_warnings(processes: Processes) -> list[str]:
    """A line for each cheap check that is not ok on some process; every process calls it.

    What fails here is a warning: a run that cannot work ends with its own error.
    """
    place = Place(processes, socket.gethostname(), CHECK_SECONDS)
    found = {}
    for check in CHECKS:
        if check.at_start and (check.by == "process" or processes.local_rank == 0):
            finding = check.look(place)
            found[check.name] = dataclasses.asdict(finding) if finding else None
    everywhere = gather_objects((place.host, found))
    hosts = {rank: host for rank, (host, _) in enumerate(everywhere)}
    lines = list[str]()
    for check in CHECKS:
        answers = {rank: each.get(check.name) for rank, (_, each) in enumerate(everywhere)}
        findings = {rank: Finding(**answer) for rank, answer in answers.items() if answer}
        row = merge(check, findings, hosts)
        lines += _lines(row) if row else []
    return lines


def _lines(row: Row) -> Iterator[str]:
    if row.verdict == "ok":
        return
    parts = [part for part in row.parts if part.finding.verdict != "ok"] or row.parts
    texts = [
        f"{part.finding.figure} [{part.where}]" if part.where else part.finding.figure
        for part in parts
    ]
    yield f"warning: {row.name}: {', and '.join(texts)}; {'; '.join(row.cures)}"
