"""Checks of a host, on machines that lack something."""

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.distributed.process_group import Processes
from launch.doctor.check_result import Finding, Place
from launch.doctor.isolation import run_isolated
from launch.doctor.machine import cores, open_files, shared_memory, usable_cores
from tests.launch.doctor.places import ALONE

MANY = replace(ALONE, processes=Processes(0, 1000, 0, 1, "srun", "n1:20001"))


def shown_instead(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows another file system in place of /dev/shm."""
    statvfs = os.statvfs
    replaced: Callable[[Any], Any] = lambda path: statvfs(disk if path == "/dev/shm" else path)  # noqa: E731
    monkeypatch.setattr(os, "statvfs", replaced)


@pytest.mark.parametrize(("mebibytes", "verdict"), [(16, "failed"), (64, "warning"), (2048, "ok")])
def test_shared_memory_must_hold_batches(
    mebibytes: int, verdict: str, small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown_instead(small_disk(mebibytes), monkeypatch)
    found = shared_memory(ALONE)
    assert found.verdict == verdict
    assert ("--shm-size=8g" in found.cure) == (verdict != "ok")
    assert found.values["total_bytes"] == mebibytes * 2**20


def test_shared_memory_is_divided_among_the_processes_of_a_host(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown_instead(small_disk(2048), monkeypatch)
    eight = replace(ALONE, processes=Processes(0, 8, 0, 8))
    assert shared_memory(eight).verdict == "warning"
    assert "--shm-size=16g" in shared_memory(eight).cure


def test_a_missing_dev_shm_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown_instead(tmp_path / "absent", monkeypatch)
    assert shared_memory(ALONE).verdict == "failed"


def with_limit(soft: int, place: Place) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
        return dict(vars(open_files(place)))

    answer: dict[str, Any] = run_isolated(work, 20)
    return answer


def test_a_low_limit_on_open_files_fails_where_processes_are_many() -> None:
    assert with_limit(1024, ALONE)["verdict"] == "ok"
    found = with_limit(1024, MANY)
    assert found["verdict"] == "failed"
    assert "limit 1,024 " in found["figure"] and "4,256" in found["figure"]
    assert "limits.conf" in found["cure"]


def test_cores_follow_binding_control_group_and_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert usable_cores(Processes(0, 4, 0, 4), tmp_path) == 4
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("200000 100000\n")
    assert usable_cores(Processes(0, 4, 0, 4), tmp_path) == 0.5
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert usable_cores(Processes(0, 4, 0, 4, "srun"), tmp_path) == 6


def test_cores_that_are_shared_or_too_few_for_a_gpu_are_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    four: Finding = cores(replace(ALONE, processes=Processes(0, 4, 0, 4)))
    assert (four.verdict, four.figure) == ("warning", "0.5 for each process")
    assert cores(ALONE).verdict == "ok"
    monkeypatch.setattr("launch.doctor.check_result.Place.on_gpu", property(lambda _: True))
    assert "read recordings" in cores(ALONE).cure
