"""Files of labels: each format, and each kind of error in a line."""

import json
import os
from pathlib import Path

import pytest

from video.labels.label_files import label_finder, whole_name
from video.labels.label_format import LabelFormat, LabelOptions
from video.labels.multi_label import read_multi_labels
from video.labels.segments import LabelError, LabelFile, LabelSegment
from video.labels.single_label import SINGLE_LABEL_FORMATS, read_labels


def written(folder: Path, text: str, name: str = "labels.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_cholec80s_text(tmp_path: Path) -> None:
    path = written(tmp_path, "Frame\tPhase\n0\tPreparation\n1\tPreparation\n25\tClipping\n")
    segments = read_labels(path, "video01").segments["video01"]
    assert segments[0] == LabelSegment(0.0, 0.04, "Preparation", 2)
    assert segments[2] == LabelSegment(1.0, 1.04, "Clipping", 4)
    slower = read_labels(path, "video01", label_fps=1.0).segments["video01"]
    assert slower[2] == LabelSegment(25.0, 26.0, "Clipping", 4)


def test_cholect50s_json(tmp_path: Path) -> None:
    row = [0] * 14
    content = {
        "categories": {"phase": {"0": "preparation", "1": "clipping"}},
        "annotations": {"8": [[*row, 0], [*row, 0]], "16": [[*row, 1]], "17": [[*row, -1]]},
    }
    path = written(tmp_path, json.dumps(content))
    assert read_labels(path, "VID70").segments["VID70"] == [
        LabelSegment(8.0, 9.0, "preparation", 0),
        LabelSegment(16.0, 17.0, "clipping", 0),
    ]


def test_another_category_of_cholect50(tmp_path: Path) -> None:
    rows = [[0, 2, *[0] * 12, 0], [-1, -1, *[0] * 12, 0]]
    names = {"phase": {"0": "preparation"}, "instrument": {"2": "hook"}}
    path = written(tmp_path, json.dumps({"categories": names, "annotations": {"8": rows}}))
    assert read_labels(path, "a", category="instrument").segments["a"] == [
        LabelSegment(8.0, 9.0, "hook", 0)
    ]
    with pytest.raises(LabelError, match=r"category: 'instruments' is none of .*'instrument'"):
        read_labels(path, "a", category="instruments")
    rows[0][1] = 1.5
    path = written(tmp_path, json.dumps({"categories": names, "annotations": {"8": rows}}))
    with pytest.raises(LabelError, match=r"1\.5 is not a class number"):
        read_labels(path, "a", category="instrument")


def test_a_table_of_timestamps_of_several_recordings(tmp_path: Path) -> None:
    path = written(tmp_path, "video,frame_1fps,phase\na,3,x\nb,4,y\na,5,y\n")
    segments = read_labels(path, "unused").segments
    assert segments == {
        "a": [LabelSegment(3.0, 4.0, "x", 2), LabelSegment(5.0, 6.0, "y", 4)],
        "b": [LabelSegment(4.0, 5.0, "y", 3)],
    }


def test_a_table_of_segments(tmp_path: Path) -> None:
    path = written(tmp_path, "start,end,label\n0,12.5,x\n12.5,60,y\n")
    assert read_labels(path, "a").segments["a"] == [
        LabelSegment(0.0, 12.5, "x", 2),
        LabelSegment(12.5, 60.0, "y", 3),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Frame\tPhase\n0\tA\nx\tA\n", r"labels\.txt:3: 'x\\tA' is not a frame and its phase"),
        ("Frame\tPhase\n0\n", r"labels\.txt:2"),
        ("Frame\tPhase\n", "contains no labels"),
        ("start,end,label\n5,4,x\n", r"labels\.txt:2: begins at 5 and ends at 4"),
        ("start,end,label\n-1,4,x\n", r"labels\.txt:2: '-1' is not a time"),
        ("time,label\n0,x\nnan,x\n", r"labels\.txt:3: 'nan' is not a time"),
        ("time,label\n0,\n", r"labels\.txt:2: has no label"),
        ("time,label\n0\n", r"labels\.txt:2: has 1 cells, the header has 2"),
        ("time,label\n0,x,y\n", r"labels\.txt:2: has 3 cells"),
        ("time,label,label\n0,x,y\n", r"labels\.txt:1: has two columns 'label'"),
        ('time,label\n0,x\n1,"y\n2,z\n', r"labels\.txt:4: is not CSV"),
        ('time,label\n0,"x\n1,y"\n', r"labels\.txt:3: is not CSV \(a line break inside quotes\)"),
        ("time,a,b\n0,1,0\n", r"labels\.txt:1: .* set multi_label: true"),
        ("Frame\tGrasper\n0\t1\n", r"labels\.txt:1: .* set multi_label: true"),
        ("start,phase\n0,x\n", r"labels\.txt:1: has the columns start, phase"),
        ("hello there", r"labels\.txt:1: 'hello there' matches no label format"),
        ('{"annotations": {}', r"labels\.txt:1: is not JSON"),
        ('{"annotations": {}}', "is JSON, but not CholecT50's"),
        ('{"categories": {"phase": {}}, "annotations": {"3": [[1]]}}', "not CholecT50's"),
        ('{"categories": {"phase": {"0": "x", "1": "x"}}, "annotations": {}}', "occurs twice"),
        ('{"categories": {"phase": {}}, "annotations": {"nan": []}}', "'nan' is not a time"),
        ('{"categories": {"phase": {}}, "annotations": {"3": [], "3": []}}', "'3' occurs twice"),
        ('{"categories": {"phase": {}}, "annotations": {"3": [], "3.0": []}}', "3.0 occurs twice"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("", "matches no label format"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message) as caught:
        read_labels(written(tmp_path, text), "a")
    assert "\n" not in str(caught.value)


def test_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(LabelError, match="is not UTF-8"):
        read_labels(tmp_path / "a.txt", "a")


def test_labels_are_found_by_the_recordings_name(tmp_path: Path) -> None:
    first = written(tmp_path, "", "video01-phase.txt")
    second = written(tmp_path, "", "video02.json")
    assert label_finder(tmp_path)("video01") == first
    assert label_finder(tmp_path)("video02") == second
    assert label_finder(tmp_path / "{name}-phase.txt")("video01") == first
    assert label_finder(first)("anything") == first
    with pytest.raises(LabelError, match=r"video03: has no labels; looked for .*video03\.json"):
        label_finder(tmp_path)("video03")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_header_of_a_csv_file_shows_its_separator(tmp_path: Path, separator: str) -> None:
    rows = [("recording", "start", "end", "phase"), ("op1", "0", "2.5", "a, b; c")]
    text = "".join(separator.join(f'"{cell}"' for cell in row) + "\r\n" for row in rows)
    path = written(tmp_path, text)
    assert read_labels(path, "x").segments == {"op1": [LabelSegment(0.0, 2.5, "a, b; c", 2)]}
    classes = written(tmp_path, f"time{separator}Hook\n3{separator}1\n")
    (segment,) = read_multi_labels(classes, "x").segments["x"]
    assert segment[:3] == (3.0, 4.0, (1,))
    decimal = written(tmp_path, text.replace("2.5", "2,5"))
    with pytest.raises(LabelError, match=r":2: '2,5' is not a time .*; write it with a decimal po"):
        read_labels(decimal, "x")


@pytest.mark.parametrize("mark", ["sep=;", '"sep=;"', "\ufeffsep=;"])
def test_excels_line_on_its_separator_is_no_header(tmp_path: Path, mark: str) -> None:
    path = written(tmp_path, f"{mark}\r\ntime;phase\r\n0;a\r\n1;b\r\n")
    segments = read_labels(path, "x").segments["x"]
    assert segments == [LabelSegment(0, 1, "a", 3), LabelSegment(1, 2, "b", 4)]
    classes = written(tmp_path, f"{mark}\ntime;Hook\n0;2\n")
    with pytest.raises(LabelError, match=r"labels\.txt:3: Hook is '2'"):
        read_multi_labels(classes, "x")


def test_another_separator_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"CSV \(commas, semicolons or tabs\) with times"):
        read_labels(written(tmp_path, "time|phase\n0|a\n"), "x")


@pytest.mark.parametrize(
    ("part", "whole"),
    [("op01_part2", "op01"), ("op01-2", "op01"), ("A 7 Teil 3", "A 7"), ("intro", None)],
)
def test_the_name_of_a_part_holds_that_of_its_operation(part: str, whole: str | None) -> None:
    assert whole_name(part) == whole


def read_pipes(path: Path, text: str, options: LabelOptions) -> LabelFile:
    second, label = text.strip().split("|")
    segment = LabelSegment(float(second), float(second) + 1, label, 1)
    return LabelFile(str(path), {options.recording: [segment]})


def test_a_format_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "3|clipping, cutting", "a.psv")
    with pytest.raises(LabelError, match="has no labels"):
        label_finder(tmp_path)("a")
    row = LabelFormat("pipes", (".psv",), lambda text: "|" in text, read_pipes)
    monkeypatch.setitem(SINGLE_LABEL_FORMATS, "pipes", row)
    assert label_finder(tmp_path)("a") == path
    assert read_labels(path, "a").segments == {
        "a": [LabelSegment(3.0, 4.0, "clipping, cutting", 1)]
    }
    with pytest.raises(LabelError, match=r"known formats: .*, pipes; "):
        read_labels(written(tmp_path, "hello"), "a")


def test_hostile_files_are_refused_in_one_line(tmp_path: Path) -> None:
    wide = "time,phase," + ",".join(f"c{i}" for i in range(300_000))
    texts = {
        "Frame\tPhase\n" + "9" * 400 + "\tPreparation\n": "is not a frame and its phase",
        wide: "has 300,002 columns; at most 10,000 are read",
        "time,phase," + ",".join(["x"] * 9000): "has two columns 'x'; rename one",
    }
    for text, message in texts.items():
        with pytest.raises(LabelError, match=message) as caught:
            read_labels(written(tmp_path, text), "a")
        assert len(str(caught.value)) < 400
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(LabelError, match="is not a regular file"):
        read_labels(tmp_path / "pipe.txt", "a")


def test_two_files_of_one_recording_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "", "video01.csv")
    assert label_finder(tmp_path)("video01") == tmp_path / "video01.csv"
    written(tmp_path, "", "video01-phase.txt")
    with pytest.raises(LabelError, match=r"video01: has labels in .*-phase\.txt and in video01\.c"):
        label_finder(tmp_path)("video01")
    pattern = label_finder(tmp_path / "{name}.csv")
    assert pattern("video01") == tmp_path / "video01.csv"
