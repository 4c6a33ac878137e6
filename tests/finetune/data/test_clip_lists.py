"""Lists of labelled clips: each format, and each kind of wrong line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.data.clip_lists import (
    CLIP_LIST_FORMATS,
    ClipListFormat,
    paths_of,
    read_clips,
    read_parts,
)
from video.labels.segments import ClipEntry, LabelError


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def files(folder: Path, *names: str) -> None:
    for name in names:
        written(folder / name, "")


def test_a_list_of_paths_and_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "train.txt", f"videos/a b.mp4 3\n\n{tmp_path}/c.mp4 cut\n")
    assert read_clips(path) == [
        ClipEntry(f"{tmp_path}/videos/a b.mp4", "3", None, None, str(path), 1),
        ClipEntry(f"{tmp_path}/c.mp4", "cut", None, None, str(path), 3),
    ]


def test_the_separator_of_a_list_is_detected_by_existing_files(tmp_path: Path) -> None:
    """A comma may belong to the path, and a blank to the path or the label."""
    files(tmp_path, "a,b.mp4", "c,d.mp4", "e f.mp4")
    cases = {
        "a,b.mp4 3\nc,d.mp4 4\n": [("a,b.mp4", "3"), ("c,d.mp4", "4")],
        "e f.mp4,cutting tissue\na,b.mp4,x\n": [("e f.mp4", "cutting tissue"), ("a,b.mp4", "x")],
        '"a,b.mp4",3\n': [("a,b.mp4", "3")],
        "none.mp4,3\nother.mp4, 4\n": [("none.mp4", "3"), ("other.mp4", "4")],
        "none.mp4 3\nothers,too.mp4 4\n": [("none.mp4", "3"), ("others,too.mp4", "4")],
        "e f.mp4 0 -1 3\n": [("e f.mp4", "3")],
    }
    for text, expected in cases.items():
        read = read_clips(written(tmp_path / "list.csv", text))
        assert [(Path(each.path).name, each.label) for each in read] == expected, text


def test_a_table_with_intervals(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "label,path,start,end,fold\nx,a.mp4,1.5,3,7\ny,a.mp4,,,7\n")
    assert read_clips(path) == [
        ClipEntry(f"{tmp_path}/a.mp4", "x", 1.5, 3.0, str(path), 2),
        ClipEntry(f"{tmp_path}/a.mp4", "y", None, None, str(path), 3),
    ]


def test_a_table_with_a_column_for_each_class(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "path,cut,clip\na.mp4,1,0\nb.mp4,,1\n")
    first, second = read_clips(path)
    assert first.label == {"cut": 1, "clip": 0} and second.label == {"cut": -1, "clip": 1}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_may_have_other_separators(tmp_path: Path, separator: str) -> None:
    table = written(tmp_path / "t.csv", "path,start,label\na b.mp4,,x\n".replace(",", separator))
    with pytest.raises(LabelError, match="has one of start and end"):
        read_clips(table)
    table = written(tmp_path / "t.csv", "path,label\na b.mp4,x\n".replace(",", separator))
    (clip,) = read_clips(table)
    assert clip.label == "x" and clip.path == str(tmp_path / "a b.mp4")


def test_class_folders_of_one_part_and_of_several(tmp_path: Path) -> None:
    files(tmp_path / "one", "sew/b.mp4", "sew/a.mkv", "cut/c.mp4", "cut/notes.txt", ".git/x.mp4")
    one = read_clips(tmp_path / "one")
    assert [(Path(each.path).name, each.label, each.line) for each in one] == [
        ("c.mp4", "cut", 0),
        ("a.mkv", "sew", 0),
        ("b.mp4", "sew", 0),
    ]
    files(tmp_path / "all", "train/sew/a.mp4", "train/cut/b.mp4", "val/sew/c.mp4")
    parts = read_parts(tmp_path / "all")
    assert [(part, each.label) for part, clips in parts.items() for each in clips] == [
        ("train", "cut"),
        ("train", "sew"),
        ("val", "sew"),
    ]
    with pytest.raises(LabelError, match="all: has train, val; give the folder of one part"):
        read_clips(tmp_path / "all")
    files(tmp_path / "all", "other/x.mp4")
    with pytest.raises(LabelError, match="all: has train, val beside other"):
        read_parts(tmp_path / "all")


def test_parts_are_a_mapping_or_a_pattern(tmp_path: Path) -> None:
    for part in ("train", "test"):
        written(tmp_path / f"{part}.csv", f"{part}.mp4 0\n")
    for clips in (
        {"test": tmp_path / "test.csv", "train": tmp_path / "train.csv"},
        tmp_path / "{part}.csv",
    ):
        parts = read_parts(clips)
        assert list(parts) == ["train", "test"]
        assert all(Path(clips[0].path).stem == part for part, clips in parts.items())
    assert list(read_parts(tmp_path / "test.csv")) == ["train"]
    with pytest.raises(LabelError, match=r"\{part\}\.txt: no such list; tried .*train\.txt"):
        read_parts(tmp_path / "{part}.txt")
    with pytest.raises(LabelError, match="clips: 'valid' is none of train, val, test"):
        read_parts({"valid": tmp_path / "test.csv"})


def test_each_file_is_opened_once(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "link.mp4").symlink_to("b.mp4")
    lines = "path,label,start,end\nb.mp4,x,0,1\n./b.mp4,x,1,2\na.mp4,x,,\nlink.mp4,y,,\n"
    paths = paths_of(read_clips(written(tmp_path / "t.csv", lines)))
    assert [Path(path).name for path in paths] == ["b.mp4", "a.mp4"]
    assert all(Path(path).is_absolute() for path in paths)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4 1\nb.mp4\n", r"clips\.csv:2: 'b\.mp4' is not a path and a label"),
        ("a.mp4,1\nb.mp4,\n", r"clips\.csv:2: 'b\.mp4,' is not a path and a label"),
        ("here.mp4 3 40 1\n", r"clips\.csv:1: 'here\.mp4 3 40' names no file, but 'here\.mp4' do"),
        ("here.mp4 150 1\n", r"clips\.csv:1: .* give an interval in a CSV file"),
        ("path label\na.mp4 1\n", r"clips\.csv:1: separate the columns by commas"),
        ("path\na.mp4\n", r"clips\.csv:1: has the columns path; add a column label"),
        ("path,label,start\na.mp4,x,0\n", r"clips\.csv:1: has one of start and end"),
        ("path,label,start,end\na.mp4,x,3,2\n", r"clips\.csv:2: begins at 3 and ends at 2"),
        ("path,label,start,end\na.mp4,x,,0\n", r"clips\.csv:2: begins at 0 and ends at 0"),
        ("path,label,start,end\na.mp4,x,0,nan\n", r"clips\.csv:2: 'nan' is not a time"),
        ("path,label\na.mp4,\n", r"clips\.csv:2: has no label"),
        ("path,label\n,x\n", r"clips\.csv:2: has no path"),
        ("path,label\na.mp4\n", r"clips\.csv:2: has 1 cells, the header has 2"),
        ("path,cut\na.mp4,yes\n", r"clips\.csv:2: cut is 'yes'; write 1"),
        ("path,label\na\0.mp4,x\n", r"clips\.csv:2: 'a\\x00\.mp4' is not a path|is not CSV"),
        ("a\0.mp4 x\n", r"clips\.csv:1: 'a\\x00\.mp4' is not a path"),
        ("a" * 300 + ".mp4\n", "is not a path and a label"),
        ("\n", "contains no clips"),
        ("path,label\n", "contains no clips"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    files(tmp_path, "here.mp4")
    with pytest.raises(LabelError, match=message) as caught:
        read_clips(written(tmp_path / "clips.csv", text))
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_class_folders_are_refused(tmp_path: Path) -> None:
    files(tmp_path / "loose", "cut/a.mp4", "b.mp4")
    files(tmp_path / "empty", "cut/a.mp4", "sew/notes.txt")
    files(tmp_path / "pictures", "cut/000001.jpg")
    (tmp_path / "nothing").mkdir()
    for name, message in {
        "loose": r"loose: b\.mp4 is in no class folder",
        "empty": r"empty/sew contains no recordings, only \.txt",
        "pictures": "pictures/cut: is itself a recording, a folder of images",
        "nothing": "nothing: contains no clips",
        "absent": "absent: cannot be read",
    }.items():
        with pytest.raises(LabelError, match=message):
            read_clips(tmp_path / name)


def test_a_new_format_is_a_row_that_is_tried_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "clips.json", '{"a.mp4": "cut"}')

    def read(listing: Path) -> Iterator[ClipEntry]:
        for name, label in json.loads(listing.read_text()).items():
            yield ClipEntry(name, label, None, None, str(listing), 0)

    row = ClipListFormat(lambda listing, line: line.startswith("{"), read)
    monkeypatch.setitem(CLIP_LIST_FORMATS, "json", row)
    assert [(each.path, each.label) for each in read_clips(path)] == [("a.mp4", "cut")]
    other = written(tmp_path / "clips.csv", "path,label\na.mp4,sew\n")
    assert read_clips(other)[0].label == "sew"
