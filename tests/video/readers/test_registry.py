"""The table of readers: names are checked by it, and a row of a plugin counts."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.video.conftest import made_up, number_of
from video.manifest import ManifestError, read_manifest, write_manifest
from video.open_source import open_paths, open_source
from video.progress import show_progress
from video.readers.random_access import read_frames
from video.readers.registry import (
    READERS,
    PreferredReader,
    Reader,
    ReaderUnavailable,
    load_reader,
    require_reader,
)
from video.recording import LARGEST

ROOT = Path(__file__).parents[3]
PLUGIN = """

from video.readers.pyav_reader import read_by_timestamp
from video.readers.registry import READERS, Reader

READERS["mine"] = Reader("plugin_reader:read", selectable=True)

def read(recording, times, rows, columns):
    return read_by_timestamp(recording, times, rows, columns)
"""


@pytest.mark.parametrize("name", [name for name in READERS if name != "torchcodec"])
def test_every_row_names_a_function_with_its_package(name: str) -> None:
    require_reader(name)
    assert callable(load_reader(name))


def test_a_preferred_reader_is_one_that_may_be_selected() -> None:
    names = TypeAdapter(PreferredReader)
    assert [names.validate_python(each) for each in ("pyav", "decord", "torchcodec")]
    with pytest.raises(ValidationError, match=r"one of pyav, .*; did you mean decord\?"):
        names.validate_python("decrod")
    with pytest.raises(ValidationError, match="one of pyav, decord, torchcodec"):
        names.validate_python("pack")


def test_a_manifest_with_an_unknown_reader_is_refused_with_its_line(tmp_path: Path) -> None:
    write_manifest([made_up(9.0)], tmp_path / "m.csv")
    text = (tmp_path / "m.csv").read_text().replace("pyav", "pyva")
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=r"m\.csv:2: reader is 'pyva': .*did you mean pyav"):
        read_manifest(tmp_path / "m.csv")


def test_a_missing_package_is_one_line_with_the_cure(
    steady: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(READERS["torchcodec"], function="no_such_package:read")
    monkeypatch.setitem(READERS, "torchcodec", row)
    with pytest.raises(
        ReaderUnavailable, match=r"reader torchcodec is not available .No module"
    ) as it:
        open_paths({str(steady): LARGEST}, "torchcodec", 1.0, 60.0, show_progress)
    assert it.value.exit_status == 2
    assert "; run `pip install torchcodec`" in str(it.value)
    assert "\n" not in str(it.value)


def test_a_manifest_that_needs_a_missing_package_is_refused(
    steady: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_paths({str(steady): LARGEST}, "pyav", 1.0, 60.0, show_progress).recordings
    write_manifest([replace(opened[0], reader="decord")], tmp_path / "m.csv")
    row = replace(READERS["decord"], function="no_such_package:read")
    monkeypatch.setitem(READERS, "decord", row)
    with pytest.raises(ReaderUnavailable, match="reader decord is not available"):
        open_source(tmp_path / "m.csv", "pyav", 1.0, 60.0, show_progress)


def test_a_row_of_a_plugin_is_verified_and_used_in_worker_processes(
    steady: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin_reader.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    importlib.import_module("plugin_reader")
    try:
        assert TypeAdapter(PreferredReader).validate_python("mine") == "mine"
        opened = open_paths({str(steady): LARGEST}, "mine", 1.0, 60.0, show_progress)
        (recording,) = opened.recordings
        assert (recording.reader, recording.verified) == ("mine", "14 positions")
        frames = read_frames(recording, [1.0], 48, 64)
        assert number_of(np.asarray(frames[0])) == 25
    finally:
        del READERS["mine"]


def test_a_reader_that_is_wrong_is_not_taken(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Reader("tests.video.readers.test_registry:black", selectable=True)
    monkeypatch.setitem(READERS, "black", row)
    (recording,) = open_paths({str(steady): LARGEST}, "black", 1.0, 60.0, show_progress).recordings
    assert recording.reader == "pyav"


def black(recording: object, times: list[float], rows: int, columns: int) -> np.ndarray:
    return np.zeros((len(times), rows, columns, 3), np.uint8)


def test_the_table_imports_no_decoder() -> None:
    code = "import video.readers.registry, sys; print({'av', 'torch', 'decord'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
