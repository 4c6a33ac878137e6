"""What several processes have found, as one row."""

from launch.doctor.check_result import Check, Finding, Place
from launch.doctor.merge import merge, rank_range

HOSTS = {0: "n1", 1: "n1", 2: "n2", 3: "n2"}


def _look(place: Place) -> None:
    raise AssertionError("the findings are given")


MEMORY = Check("memory", _look)
VERSIONS = Check("versions", _look, cure="use one environment")
DEVICES = Check("devices", _look)


def test_equal_findings_are_one_part_without_a_place() -> None:
    row = merge(VERSIONS, {rank: Finding("ok", "1.0", alike="1.0") for rank in HOSTS}, HOSTS)
    assert row and [(part.finding.figure, part.where) for part in row.parts] == [("1.0", "")]
    assert (row.verdict, row.cures) == ("ok", [])


def test_nothing_to_check_is_no_row() -> None:
    assert merge(MEMORY, {}, HOSTS) is None


def test_of_measured_figures_the_least_is_shown_with_its_place() -> None:
    found = {rank: Finding("ok", f"{rank} GiB", score=-rank) for rank in HOSTS}
    row = merge(MEMORY, found, HOSTS)
    assert row and [(part.finding.figure, part.where) for part in row.parts] == [
        ("3 GiB", "n2 (rank 3), the least of 4")
    ]


def test_a_failure_comes_first_and_is_named_by_host_and_rank() -> None:
    found = {rank: Finding("ok", "H100", alike="H100", score=1.0) for rank in (0, 1, 3)}
    found[2] = Finding("failed", "does not work", "take another")
    row = merge(DEVICES, found, HOSTS)
    assert row and row.verdict == "failed" and row.cures == ["take another"]
    assert [(part.finding.verdict, part.where) for part in row.parts] == [
        ("failed", "n2 (rank 2)"),
        ("ok", "n1 (ranks 0-1), n2 (rank 3)"),
    ]


def test_a_difference_is_a_warning_that_names_both_sides() -> None:
    found = {rank: Finding("ok", f"2.{rank // 2}", alike=f"2.{rank // 2}") for rank in HOSTS}
    row = merge(VERSIONS, found, HOSTS)
    assert row and (row.verdict, row.cures) == ("warning", ["use one environment"])
    assert [(part.finding.figure, part.where) for part in row.parts] == [
        ("2.0", "n1 (ranks 0-1)"),
        ("2.1", "n2 (ranks 2-3)"),
    ]


def test_processes_with_and_without_a_gpu_cannot_run_together() -> None:
    found = {0: Finding("ok", "CPU", alike="cpu"), 1: Finding("ok", "H100", alike="H100", score=1)}
    row = merge(DEVICES, found, HOSTS)
    assert row and row.verdict == "failed"


def test_ranks_are_written_as_ranges() -> None:
    assert rank_range([3]) == "rank 3"
    assert rank_range([0, 1, 2, 5, 7, 8]) == "ranks 0-2, 5, 7-8"
