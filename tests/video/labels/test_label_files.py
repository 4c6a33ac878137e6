"""The label file of a prepared recording is its own or its original's, never one of two."""

from pathlib import Path

import pytest

from tests.video.conftest import made_up
from video.labels.label_files import LabelFiles, label_finder
from video.labels.segments import LabelError
from video.labels.single_label import read_labels


def test_different_labels_of_a_recording_and_its_original_are_refused(tmp_path: Path) -> None:
    prepared = made_up(2.0, path="/fast/op01.frames", original="/raw/rec A.mp4")
    labels = LabelFiles(
        label_finder(tmp_path), lambda path, name: read_labels(path, name, 25.0, "phase")
    )
    (tmp_path / "op01.csv").write_text("start,end,phase\n0,1,a\n1,2,b\n")
    assert labels.lookup(prepared)[1] == "op01"
    (tmp_path / "rec A.csv").write_text("start,end,phase\n0,1,a\n1,2,b\n")
    assert labels.lookup(prepared)[1] == "op01"  # they say the same
    (tmp_path / "rec A.csv").write_text("start,end,phase\n0,1,b\n1,2,a\n")
    labels = LabelFiles(
        label_finder(tmp_path), lambda path, name: read_labels(path, name, 25.0, "phase")
    )
    with pytest.raises(LabelError, match=r"op01 in .*op01\.csv, and of its original rec A in "):
        labels.lookup(prepared)
    (tmp_path / "op01.csv").unlink()
    assert labels.lookup(made_up(2.0, path="/fast/x.frames", original="/raw/rec A.mp4"))[1]
