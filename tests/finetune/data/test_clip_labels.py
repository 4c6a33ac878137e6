"""Labelled clips in their recordings: classes, intervals, parts, and clips that do not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finetune.data.clip_labels import label_clips
from finetune.data.clip_lists import paths_of, read_clips, read_parts
from finetune.data.labelled_set import LabelledSet
from finetune.data.splits import SplitError
from video.labels.segments import LabelError
from video.open_source import open_paths
from video.progress import show_progress
from video.recording import LARGEST, Recording

VIDEOS = Path(__file__).parents[4] / "shared/videos/asl_gestures"


def recording(path: Path | str, **more) -> Recording:
    return Recording(str(path), "pyav", 25.0, 250, 10.0, 64, 64, 0.0, **more)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def labelled(folder: Path, train: str, names: str = "ab", classes=None, **more) -> LabelledSet:
    """Of the recordings a.mp4, b.mp4, .., where `more` may have lists of other parts."""
    lists = {part: more.pop(part) for part in ("val", "test") if part in more}
    parts = {
        part: read_clips(written(folder / f"{part}.csv", text))
        for part, text in {"train": train, **lists}.items()
    }
    recordings = more.pop("recordings", [recording(folder / f"{name}.mp4") for name in names])
    return label_clips(recordings, parts, classes, **more)


def test_clips_are_intervals_of_their_recordings(tmp_path: Path) -> None:
    text = "path,label,start,end\nb.mp4,x,4,5\na.mp4,y,,\nb.mp4,y,0.5,2\nb.mp4,x,9,10.03\n"
    given = labelled(tmp_path, text)
    assert given.classes == ("x", "y") and not given.unopened and not given.notes
    b, a = given.tracks["train"]
    assert Path(b.recording.path).name == "b.mp4" and b.ends is not None and a.ends is not None
    assert b.times.tolist() == [0.5, 4, 9] and b.ends.tolist() == [2, 5, 10]
    assert b.labels.tolist() == [1, 0, 0]
    assert (a.times.tolist(), a.ends.tolist(), a.labels.tolist()) == ([0], [10], [1])
    assert given.lines() == ["train:", "  4 labelled clips of 2 recordings: x 50%, y 50%"]


def test_integers_are_names_in_numeric_order_or_numbers_of_classes(tmp_path: Path) -> None:
    text = "a.mp4 10\nb.mp4 2\nc.mp4 -1\nd.mp4 02\n"
    given = labelled(tmp_path, text, "abcd")
    assert given.classes == ("2", "10")
    assert [track.labels.tolist() for track in given.tracks["train"]] == [[1], [0], [-1], [0]]
    assert "(1 without label)" in given.lines()[1]
    text = "a.mp4 1\nb.mp4 0\n"
    numbered = labelled(tmp_path, text, classes=("cut", "sew", "clip"))
    assert [track.labels.tolist() for track in numbered.tracks["train"]] == [[1], [0]]
    again = labelled(tmp_path, "a.mp4 10\nb.mp4 2\n", classes=("2", "10", "11"))
    assert [track.labels.tolist() for track in again.tracks["train"]] == [[1], [0]]


@pytest.mark.parametrize(
    ("text", "classes", "message"),
    [
        (
            "a.mp4 0\nb.mp4 3\n",
            ("x", "y"),
            r"train\.csv:2: '3' is neither one of the 2 classes nor",
        ),
        ("a.mp4 0\nb.mp4 -2\n", None, r"train\.csv:2: '-2' is neither"),
        ("a.mp4 0\nb.mp4 y\n", ("x", "y"), r"train\.csv:1: '0' is neither"),
        ("a.mp4 Cut\nb.mp4 Sew\n", ("Cut", "Sewing"), r"csv:2: 'Sew' .*; nearest: 'Sewing'"),
        ("a.mp4 x\nb.mp4 x\n", None, r"train\.csv: has only one class \(x\)"),
        ("a.mp4 -1\nb.mp4 -1\n", None, r"train\.csv: has no class; a classifier needs 2"),
        ("a.mp4 x\nb.mp4 y\n", ("x", "y", "x"), "classes: 'x' is there twice"),
        (
            "path,cut,sew\na.mp4,1,0\n",
            ("cut",),
            r"train\.csv:2: 'sew' is neither one of the 1 classes",
        ),
    ],
)
def test_labels_that_are_no_classes_are_refused(
    tmp_path: Path, text: str, classes, message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        labelled(tmp_path, text, classes=classes)


def test_classes_are_those_of_all_parts(tmp_path: Path) -> None:
    given = labelled(tmp_path, "a.mp4 z\nb.mp4 y\n", "abc", test="c.mp4 x\n")
    assert given.classes == ("x", "y", "z")
    assert given.tracks["test"][0].labels.tolist() == [0]


def test_several_labels_a_clip(tmp_path: Path) -> None:
    text = "path,start,end,cut,sew\na.mp4,0,5,1,0\na.mp4,5,10,,1\n"
    given = labelled(tmp_path, text, val="path,sew,cut\nb.mp4,1,1\n")
    assert given.classes == ("cut", "sew") and given.is_multi_label
    assert given.tracks["train"][0].labels.tolist() == [[1, 0], [-1, 1]]
    assert given.tracks["val"][0].labels.tolist() == [[1, 1]]
    with pytest.raises(LabelError, match=r"train\.csv:2: has a column for each class, .*val\.csv"):
        labelled(tmp_path, text, val="b.mp4 cut\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "a.mp4,x,2,10.1",
            r"train\.csv:3: the clip is from 2 to 10\.1 s, but .*a\.mp4 is from 0 to 10 s",
        ),
        ("a.mp4,x,10,", r"train\.csv:3: the clip is from 10 to 10 s"),
        ("a.mp4,x,3,5.9", r"train\.csv:3: .*a\.mp4 has no frames from 3 to 5\.9 s"),
        ("a.mp4,x,0,1", r"train\.csv:3: is the same clip as .*train\.csv:2, .* from 0 to 1"),
        ("./a.mp4,y,,1", r"train\.csv:3: is the same clip as .*train\.csv:2"),
    ],
)
def test_intervals_that_do_not_fit_are_refused(tmp_path: Path, line: str, message: str) -> None:
    text = f"path,label,start,end\na.mp4,y,0,1\n{line}\nb.mp4,x,,\n"
    holed = [recording(tmp_path / "a.mp4", holes=((3.0, 6.0),)), recording(tmp_path / "b.mp4")]
    with pytest.raises(LabelError, match=message):
        labelled(tmp_path, text, recordings=holed)


def test_seconds_of_image_folders_follow_their_numbers(tmp_path: Path) -> None:
    folder = replace(recording(tmp_path / "a"), reader="frames", fps=1.0, first=8.0, frames=10)
    text = "path,label,start,end\na,x,9,12\na,y,,18\n"
    (track,) = labelled(tmp_path, text, recordings=[folder]).tracks["train"]
    assert track.times.tolist() == [0, 1] and track.ends is not None
    assert track.ends.tolist() == [10, 4]
    with pytest.raises(LabelError, match=r"the clip is from 2 to 9 s, but .* is from 8 to 18 s"):
        labelled(tmp_path, text + "a,x,2,9\n", recordings=[folder])


def test_clips_whose_recording_cannot_be_opened_are_reported(tmp_path: Path) -> None:
    text = "a.mp4 x\ngone.mp4 y\nalso.mp4 x\n"
    given = labelled(tmp_path, text)
    assert [(part, entry.line) for part, entry in given.unopened] == [
        ("train", 2),
        ("train", 3),
    ]
    assert given.lines()[-1].startswith("  2 more clips: the recording could not be opened; ")
    assert given.lines()[-1].endswith(f"train.csv:2: {tmp_path}/gone.mp4")
    with pytest.raises(
        LabelError, match=r"val: the recordings of all its 1 clips .*val\.csv:1: .*gone\.mp4"
    ):
        labelled(tmp_path, "a.mp4 x\n", val="gone.mp4 y\n")


def test_a_prepared_recording_stands_for_its_original(tmp_path: Path) -> None:
    prepared = recording(tmp_path / "small/a.frames", original=str(tmp_path / "a.mp4"))
    given = labelled(tmp_path, "a.mp4 x\nb.mp4 y\n", recordings=[prepared])
    assert given.tracks["train"][0].recording == prepared
    both = [recording(tmp_path / "a.mp4"), prepared]
    given = labelled(tmp_path, "a.mp4 x\nb.mp4 y\n", recordings=both)
    assert given.tracks["train"][0].recording == both[0]
    twice = [prepared, replace(prepared, path=str(tmp_path / "large/a.frames"))]
    with pytest.raises(LabelError, match=r"train\.csv:1: .*a\.mp4 may be .*small/a.* or .*large/a"):
        labelled(tmp_path, "a.mp4 x\nb.mp4 y\n", recordings=twice)


def test_a_recording_belongs_to_one_part(tmp_path: Path) -> None:
    train, val = "path,label,start,end\na.mp4,x,0,5\nb.mp4,y,,\n", "path,label,start,end\n"
    message = r"val\.csv:2: .*a\.mp4 in val is the same recording as .*train\.csv:2: .* in train; "
    with pytest.raises(SplitError, match=message + "a recording belongs to one part"):
        labelled(tmp_path, train, val=val + "a.mp4,y,5,9\n")
    with pytest.raises(SplitError, match=message + "the intervals overlap"):
        labelled(tmp_path, train, val=val + "a.mp4,y,4,9\n", allow_shared_recordings=True)
    given = labelled(tmp_path, train, val=val + "a.mp4,y,5,9\n", allow_shared_recordings=True)
    assert given.lines()[-1] == ("train and val share 1 recording, in intervals without overlap")


def test_a_copy_in_another_part_is_the_same_recording(tmp_path: Path) -> None:
    copies = [recording(tmp_path / f"{name}.mp4", content="same") for name in "ab"]
    made = replace(copies[1], content="made", original_content="same")
    for pair in (copies, [copies[0], made]):
        with pytest.raises(SplitError, match=r"test\.csv:1: .*b\.mp4 in test is the same"):
            labelled(tmp_path, "a.mp4 x\n", test="b.mp4 y\n", recordings=pair)


def test_an_overlap_with_an_earlier_longer_clip_is_found(tmp_path: Path) -> None:
    train = "path,label,start,end\na.mp4,x,0,8\na.mp4,y,1,2\n"
    test = "path,label,start,end\na.mp4,x,6,7\n"
    with pytest.raises(SplitError, match=r"test\.csv:2: .* as .*train\.csv:2: .* overlap"):
        labelled(tmp_path, train, test=test, allow_shared_recordings=True)


def test_a_split_divides_a_list_by_recording(tmp_path: Path) -> None:
    split = written(tmp_path / "split.yaml", "train: [a, b]\ntest: [c]\n")
    text = "a.mp4 x\nb.mp4 y\nc.mp4 x\nd.mp4 y\ngone.mp4 y\n"
    given = labelled(tmp_path, text, "abcd", split=split)
    assert [len(tracks) for tracks in given.tracks.values()] == [2, 1]
    assert given.notes[0].startswith("2 clips are ignored: ")
    assert given.notes[0].endswith(f"train.csv:4: {tmp_path}/d.mp4")
    with pytest.raises(SplitError, match=r"split\.yaml: the clips are divided into train, val"):
        labelled(tmp_path, "a.mp4 x\n", val="b.mp4 y\n", split=split)


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real recordings are not at hand")
def test_crops_of_real_gestures(tmp_path: Path) -> None:
    """The second half of each gesture for test, the first one to train on."""
    paths = sorted(VIDEOS.glob("*.mkv"))
    whole = written(tmp_path / "all.txt", "".join(f"{p} {p.stem.split('_')[-1]}\n" for p in paths))
    opened = open_paths(
        dict.fromkeys(paths_of(read_clips(whole)), LARGEST), "pyav", 1.0, 60.0, show_progress
    )
    assert len(opened.recordings) == 20 and not opened.failures
    halves: dict[str, list[str]] = {"train": ["path,label,start,end"], "test": []}
    halves["test"] = list(halves["train"])
    for each in opened.recordings:
        name, half = Path(each.path).stem.split("_")[-1], each.seconds / 2
        halves["train"].append(f"{each.path},{name},0,{half!r}")
        halves["test"].append(f"{each.path},{name},{half!r},{each.seconds + 0.9 / each.fps!r}")
    for part, lines in halves.items():
        written(tmp_path / f"{part}.csv", "\n".join(lines))
    parts = read_parts(tmp_path / "{part}.csv")
    with pytest.raises(SplitError, match="is the same recording"):
        label_clips(opened.recordings, parts)
    given = label_clips(opened.recordings, parts, allow_shared_recordings=True)
    assert len(given.classes) == 20 and given.classes[0] == "again"
    assert given.notes[0].startswith("train and test share 20 recordings")
    for part, place in (("train", 0), ("test", 1)):
        labels = np.concatenate([track.labels for track in given.tracks[part]])
        assert labels.tolist() == list(range(20))
        for track in given.tracks[part]:
            half = track.recording.seconds / 2
            assert track.ends is not None
            assert track.times[0] == half * place and track.ends[0] == half * (place + 1)
