"""What a run folder records of each start."""

import json
from pathlib import Path

from launch.distributed.process_group import Processes
from launch.metrics.loggers import LogConfig
from launch.run.environment import record_start
from launch.version import VERSION


def test_every_start_is_an_entry_with_its_version(tmp_path: Path) -> None:
    for first in (0, 5):
        record_start(tmp_path, LogConfig(), Processes(), range(first, 10), weights="a.safetensors")
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert [(each["from_step"], each["to_step"]) for each in starts] == [(0, 10), (5, 10)]
    assert all(each["version"] == VERSION for each in starts)
    assert starts[0]["weights"] == "a.safetensors" and starts[0]["packages"]["torch"]
