"""What a run folder records of each start."""

import json
from pathlib import Path

import pytest

from launch.distributed.process_group import Processes
from launch.metrics.loggers import LogConfig
from launch.plugins import VARIABLE, import_plugins
from launch.run.environment import last_recorded, record_start
from launch.version import VERSION

DAMAGED = (b"", b"{}", b'[{"from', b"[1]", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null")


def test_every_start_is_an_entry_with_its_version(tmp_path: Path) -> None:
    for first in (0, 5):
        record_start(tmp_path, LogConfig(), Processes(), range(first, 10), weights="a.safetensors")
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert [(each["from_step"], each["to_step"]) for each in starts] == [(0, 10), (5, 10)]
    assert all(each["version"] == VERSION for each in starts)
    assert starts[0]["weights"] == "a.safetensors" and starts[0]["packages"]["torch"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_of_starts_is_kept_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "environment.json"
    for number in (1, 2):
        file.write_bytes(content)
        assert last_recorded(tmp_path, "version") is None
        (warning,) = record_start(tmp_path, LogConfig(), Processes(), range(3, 9))
        kept = tmp_path / f"environment.json.damaged-{number}"
        assert f"it is kept as {kept.name}" in warning
        assert kept.read_bytes() == content
        assert [start["from_step"] for start in json.loads(file.read_text())] == [3]
    assert record_start(tmp_path, LogConfig(), Processes(), range(5, 9)) == []
    assert last_recorded(tmp_path, "version") == VERSION


def test_a_plugin_that_has_changed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "changing_plugin.py"
    plugin.write_text("ROW = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    import_plugins(["changing_plugin"])
    for _ in range(2):
        assert record_start(tmp_path, LogConfig(), Processes(), range(9)) == []
    plugin.write_text("ROW = 2\n")
    (warning,) = record_start(tmp_path, LogConfig(), Processes(), range(9))
    assert warning.startswith("warning: plugins: changing_plugin has changed since the last start")
