"""All checks on one process, and what the processes have found together."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from launch.distributed.gloo_interface import route_address
from launch.distributed.process_group import Processes
from launch.doctor.allocation import Allocation, meet
from launch.doctor.check_result import Check, Finding, Place
from launch.doctor.checks import CHECKS
from launch.doctor.isolation import NoAnswer, run_isolated
from launch.doctor.merge import Row, merge, rank_range
from launch.doctor.storage import existing_folder

Findings = dict[str, dict[str, Any] | None]  # by the name of the check


class Diagnosis(NamedTuple):
    """The result of all checks, on rank 0."""

    processes: Processes
    hosts: dict[int, str]  # by rank
    rows: list[Row]
    seconds: float


def diagnose(place: Place, checks: Sequence[Check] = CHECKS) -> tuple[Diagnosis, int]:
    """Runs the checks on every process; the exit status is the same on each.

    Rank 0 has the findings of all processes, the others only their own. First each process looks
    by itself; the checks for which all must be there follow, if they are.
    """
    begin, world_size = time.monotonic(), place.processes.world_size
    first = [check for check in checks if check.by != "together" and not check.after]
    second = [check for check in checks if check not in first]
    # each of the checks of a process may take its whole limit
    patience = place.seconds * (1 + len(checks))
    with meet(place.processes, place.seconds) as allocation:
        came = allocation.gather("host", (place.host, _own_address(place)), place.seconds)
        hosts = {rank: host for rank, (host, _) in came.items()}
        elsewhere = [address for host, address in came.values() if host != place.host and address]
        place = dataclasses.replace(place, neighbour=next(iter(elsewhere), ""))
        found = allocation.gather("first", look(first, place), patience)
        expected = range(world_size) if place.processes.is_rank0 else ()
        missing = sorted(set(expected) - found.keys())
        rows = [merge(check, _of(check, found), hosts) for check in first]
        if world_size > 1:
            rows.insert(0, _rendezvous(place, allocation.problem, missing))
        failed = [row.name for row in rows if row and row.verdict == "failed"]
        rows += _second(second, place, allocation, failed, hosts, patience)
        order = ["rendezvous", *(check.name for check in checks)]
        shown = sorted((row for row in rows if row), key=lambda row: order.index(row.name))
        diagnosis = Diagnosis(place.processes, hosts, shown, time.monotonic() - begin)
        has_failed = any(row.verdict == "failed" for row in shown)
        status = int(allocation.broadcast("status", 2 if has_failed else 0, patience))
    return diagnosis, status


def look(checks: Sequence[Check], place: Place) -> Findings:
    """What each check finds on this process, as plain data."""
    return {check.name: _look_once(check, place) for check in checks if _is_asked(check, place)}


def _is_asked(check: Check, place: Place) -> bool:
    return check.by != "host" or place.processes.local_rank == 0


def _look_once(check: Check, place: Place) -> dict[str, Any] | None:
    def work() -> dict[str, Any] | None:
        found = check.look(place)
        return dataclasses.asdict(found) if found else None

    try:
        answer: dict[str, Any] | None = run_isolated(work, place.seconds)
    except NoAnswer as error:
        return dataclasses.asdict(Finding("failed", str(error), check.cure))
    return answer


def _second(
    checks: Sequence[Check],
    place: Place,
    allocation: Allocation,
    failed: Sequence[str],
    hosts: dict[int, str],
    patience: float,
) -> list[Row | None]:
    """The checks that depend on others, and those in which all processes take part."""
    can_write = "writing" not in failed  # else this process might hang there
    with _marker(place if can_write else dataclasses.replace(place, run=None)) as marker:
        blocked = {check.name: _obstacle(check, failed) for check in checks}
        plan = {"blocked": blocked, "marker": marker, "neighbour": place.neighbour}
        plan = allocation.broadcast("plan", plan, patience)
        tried = [check for check in checks if not plan["blocked"][check.name]]
        path = Path(plan["marker"]) if plan["marker"] else None
        placed = dataclasses.replace(place, marker=path, neighbour=plan["neighbour"])
        findings = look(tried, placed)
        found = allocation.gather("second", findings, place.seconds * (1 + len(checks)))
        rows = [merge(check, _of(check, found), hosts) for check in tried]
        return rows + [
            Row.single(name, Finding("warning", f"not tried: {obstacle} failed"))
            for name, obstacle in plan["blocked"].items()
            if obstacle
        ]


def _own_address(place: Place) -> str:
    """By which other hosts reach this one; empty where that is not known."""
    host = place.processes.address.rpartition(":")[0]
    return route_address(host) if host and place.has_other_hosts else ""


def _obstacle(check: Check, failed: Sequence[str]) -> str:
    """The failed check for which this one cannot be tried; empty without one."""
    needed = [check.after] + ["rendezvous"] * (check.by == "together")
    return next((name for name in needed if name in failed), "")


@contextmanager
def _marker(place: Place) -> Iterator[str | None]:
    """The path of a file beside the run folder, which rank 0 writes for the time of the checks."""
    file = None
    if place.run and place.processes.is_rank0 and place.has_other_hosts:
        with suppress(OSError):  # `writing` says so
            folder = existing_folder(place.run)
            file = NamedTemporaryFile(dir=folder, prefix=".doctor-")  # noqa: SIM115
    try:
        yield file.name if file else None
    finally:
        if file:
            with suppress(OSError):
                file.close()


def _of(check: Check, found: dict[int, Findings]) -> dict[int, Finding]:
    """The findings of one check, by rank."""
    answers = {rank: findings.get(check.name) for rank, findings in found.items()}
    return {rank: Finding(**answer) for rank, answer in answers.items() if answer}


def _rendezvous(place: Place, problem: str, missing: Sequence[int]) -> Row:
    """Whether all processes have met."""
    processes = place.processes
    cure = (
        "look at the other processes' messages, at MASTER_ADDR and MASTER_PORT, and at firewalls "
        "between hosts"
    )
    if problem:
        return Row.single("rendezvous", Finding("failed", problem, cure))
    if missing:
        late = f"{rank_range(missing)} of {processes.world_size} did not come, or gave no answer"
        figure = f"{processes.address}: {late}"
        return Row.single("rendezvous", Finding("failed", figure, cure))
    met = f"{processes.address}: all {processes.world_size} processes have met"
    return Row.single("rendezvous", Finding("ok", met))
