"""Failures are written, counted, and fatal above the limit."""

import json
from pathlib import Path

import pytest

from video.failure_log import FailureLog, TooManyUnreadable, failed_paths
from video.recording import UnreadableVideo

FAILURE = UnreadableVideo("a.mp4", "is empty")


def test_each_failure_is_a_line(tmp_path: Path) -> None:
    failure_log = FailureLog(tmp_path / "unreadable.jsonl", 0.5)
    failure_log.add("reads", 10, [FAILURE])
    failure_log.add("reads", 10, [])
    lines = (tmp_path / "unreadable.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"path": "a.mp4", "reason": "is empty", "during": "reads"}
    ]
    assert failure_log.counters == {"tries": 20, "failures": 1, "logged": 1}
    with (tmp_path / "unreadable.jsonl").open("a") as file:
        file.write('{"path": "b.mp4", "rea')  # a crash
    assert len(failed_paths(tmp_path / "unreadable.jsonl", "reads")) == 1
    assert failed_paths(tmp_path / "unreadable.jsonl", "recordings") == []
    assert failed_paths(tmp_path / "none", "reads") == []


def test_the_limit_is_a_share_but_one_failure_is_allowed() -> None:
    failure_log = FailureLog(None, 0.01)
    failure_log.add("reads", 10, [FAILURE])
    with pytest.raises(TooManyUnreadable, match=r"2 of 20 reads failed.*0.01.*a.mp4: is empty"):
        failure_log.add("reads", 10, [FAILURE])
    patient = FailureLog(None, 0.01, {"tries": 1000, "failures": 5})
    patient.add("reads", 100, [FAILURE] * 6)
    with pytest.raises(TooManyUnreadable):
        patient.add("reads", 0, [FAILURE])


def test_a_limit_of_zero_allows_none() -> None:
    with pytest.raises(TooManyUnreadable):
        FailureLog(None, 0).add("reads", 1000, [FAILURE])


def test_samples_that_share_an_unreadable_frame_are_counted_as_samples() -> None:
    failure_log = FailureLog(None, 0.1)
    failure_log.add("predicting val", 100, [FAILURE], failed_tries=16)  # a single failure
    assert failure_log.failures == 16
    with pytest.raises(TooManyUnreadable, match="32 of 200 predicting test failed"):
        failure_log.add("predicting test", 100, [FAILURE], failed_tries=16)
