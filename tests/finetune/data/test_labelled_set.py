"""Labelled sets: from recordings, labels and a split to tracks, with a report."""

from pathlib import Path

import numpy as np
import pytest

from finetune.data.labelled_set import label_recordings
from video.labels.segments import LabelError
from video.open_source import open_verified
from video.recording import Recording
from video.synthetic import synthesize

VIDEOS = Path(__file__).parents[4] / "shared/videos/cholect50_challenge_val"


def recording(name: str, **more) -> Recording:
    return Recording(f"/videos/{name}", "pyav", 25.0, 250, 10.0, 64, 64, 0.0, **more)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_synthetic_operations_are_labelled_from_their_own_files(tmp_path: Path) -> None:
    synthesize(tmp_path, 2, seconds=12, size=48, seed=0)
    opened = [
        open_verified(str(path), "pyav", 1.0, tmp_path / "cache", lambda *_: None)
        for path in sorted(tmp_path.glob("*.mp4"))
    ]
    split = written(tmp_path / "split.yaml", "train: [operation01]\ntest: [operation02]\n")
    labelled = label_recordings(opened, tmp_path, split)
    assert list(labelled.tracks) == ["train", "test"]
    for part, path in (("train", "operation01"), ("test", "operation02")):
        (track,) = labelled.tracks[part]
        assert path in track.recording.path
        assert len(track.times) == 12 and track.unlabelled == 0
        lines = (tmp_path / f"{path}-phase.txt").read_text().splitlines()[1:]
        truth = [line.split("\t")[1] for line in lines][::25]
        assert [labelled.classes[label] for label in track.labels] == truth
    text = "\n".join(labelled.lines())
    assert "train:" in text and "12 labelled timestamps of 1 recording" in text


def test_one_table_may_label_many_recordings(tmp_path: Path) -> None:
    table = written(
        tmp_path / "all.csv", "recording,start,end,label\na,0,5,x\na,5,10,y\nb,0,10,y\n"
    )
    labelled = label_recordings([recording("a.mp4"), recording("b.mp4")], table, None)
    first, second = labelled.tracks["train"]
    assert first.labels.tolist() == [0] * 5 + [1] * 5 and second.labels.tolist() == [1] * 10
    with pytest.raises(LabelError, match=r"all\.csv: has no labels of c, but of a, b"):
        label_recordings([recording("c.mp4")], table, None)


def test_the_table_of_one_recording_does_not_label_another(tmp_path: Path) -> None:
    table = written(tmp_path / "one.csv", "start,end,label\n0,5,x\n5,10,y\n")
    assert label_recordings([recording("a.mp4")], table, None).tracks["train"][0].labelled == 10
    frames = written(tmp_path / "one.txt", "Frame\tPhase\n0\tx\n25\ty\n")
    for file in (table, frames):
        message = (
            f"holds labels of one recording, here of a, and none of b; give .*{{name}}{file.suffix}"
        )
        with pytest.raises(LabelError, match=message):
            label_recordings([recording("a.mp4"), recording("b.mp4")], file, None)


def test_a_prepared_recording_has_the_labels_of_its_original(tmp_path: Path) -> None:
    written(
        tmp_path / "a-phase.txt",
        "Frame\tPhase\n"
        + "".join(f"{i}\tx\n" for i in range(125))
        + "".join(f"{i}\ty\n" for i in range(125, 250)),
    )
    prepared = recording("a_256.frames", original="/raw/a.mp4", original_first=0.08)
    (track,) = label_recordings([prepared], tmp_path, None).tracks["train"]
    assert track.labels.tolist() == [0] * 5 + [1] * 5


def test_image_folders_are_labelled_by_their_numbers(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", "second,phase\n8,x\n9,y\n10,x\n")
    folder = Recording("/videos/a", "frames", 1.0, 3, 3.0, 64, 64, 8.0)
    (track,) = label_recordings([folder], table, None).tracks["train"]
    assert track.times.tolist() == [0, 1, 2] and track.labels.tolist() == [0, 1, 0]
    pack = recording("a.frames", original="/videos/a", original_first=8.0)
    (track,) = label_recordings([pack], table, None).tracks["train"]
    assert track.labels[:4].tolist() == [0, 1, 0, -1]


def test_one_class_and_unknown_classes_are_refused(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", "start,end,label\n0,10,x\n")
    with pytest.raises(LabelError, match=r"has only one class \(x\)"):
        label_recordings([recording("a.mp4")], table, None)
    with pytest.raises(LabelError, match=r"a\.csv:2: 'x' is none of the 2 classes"):
        label_recordings([recording("a.mp4")], table, None, classes=("y", "z"))


def test_tools_are_aligned_as_phases_are(tmp_path: Path) -> None:
    tools = "Frame\tHook\tClip\n" + "".join(f"{25 * i}\t{i % 2}\t0\n" for i in range(10))
    written(tmp_path / "a-tool.txt", tools)
    written(tmp_path / "b.csv", "start,end,Clip,Bag\n0,5,1,1\n4,6,0,1\n")
    split = written(tmp_path / "s.yaml", "train: [a]\ntest: [b]\n")
    recordings = [recording("b.mp4"), recording("a.mp4")]
    labelled = label_recordings(recordings, tmp_path, split, multi_label=True)
    assert labelled.classes == ("Hook", "Clip", "Bag") and labelled.is_multi_label
    (train,), (test,) = labelled.tracks["train"], labelled.tracks["test"]
    assert train.labels.tolist() == [[i % 2, 0, -1] for i in range(10)]
    assert test.labels[3:6].tolist() == [[-1, 1, 1], [-1, -1, 1], [-1, 0, 1]]
    assert test.conflicting == 1
    assert "Hook 50.0%, Clip 0.0%, Bag unknown; 10 of 30" in "\n".join(labelled.lines())
    for classes, message in (
        (("Hook", "Clips"), r"a-tool\.txt: 'Clip' is none of the 2 classes; nearest: 'Clips'"),
        (("Hook", "Clip", "Bag", "Hook"), "classes: 'Hook' is there twice"),
    ):
        with pytest.raises(LabelError, match=message):
            label_recordings(recordings, tmp_path, split, classes=classes, multi_label=True)
    fixed = label_recordings(
        recordings, tmp_path, split, classes=("Bag", "Hook", "Clip", "Cut"), multi_label=True
    )
    assert fixed.tracks["test"][0].labels[3].tolist() == [1, -1, 1, -1]


def test_a_single_class_is_enough_where_there_may_be_several(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", "time,achieved\n0,0\n1,1\n")
    labelled = label_recordings([recording("a.mp4")], table, None, multi_label=True)
    assert labelled.tracks["train"][0].labels[:3].tolist() == [[0], [1], [-1]]


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"label_fps": float("nan")}, {"rate": -1.0}])
def test_rates_that_are_not_positive_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(LabelError, match=f"{next(iter(wrong))}: is .*; give a number above 0"):
        label_recordings([recording("a.mp4")], tmp_path, None, **wrong)


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real recordings are not at hand")
def test_real_operations_of_cholect50(tmp_path: Path) -> None:
    names = [f"VID{n}" for n in (68, 70, 73, 74, 75)]
    opened = [
        open_verified(str(VIDEOS / "videos" / name), "pyav", 1.0, tmp_path, lambda *_: None)
        for name in names
    ]
    split = written(tmp_path / "s.yaml", "train: [VID68, VID70, VID73, VID74]\ntest: [VID75]\n")
    labelled = label_recordings(opened, VIDEOS / "labels", split)
    assert len(labelled.classes) == 7
    tracks = [track for part in labelled.tracks.values() for track in part]
    assert sum(track.labelled for track in tracks) == 1128
    assert sum(track.conflicting for track in tracks) == 0
    for track in tracks:
        assert (np.diff(track.times) > 0).all()


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real recordings are not at hand")
@pytest.mark.parametrize(("category", "positive"), [("instrument", 1269), ("verb", 1286)])
def test_real_instruments_and_verbs_of_cholect50(
    tmp_path: Path, category: str, positive: int
) -> None:
    opened = [
        open_verified(str(VIDEOS / f"videos/VID{n}"), "pyav", 1.0, tmp_path, lambda *_: None)
        for n in (68, 70, 73, 74, 75)
    ]
    labelled = label_recordings(
        opened, VIDEOS / "labels", None, multi_label=True, category=category
    )
    assert labelled.classes[0] == {"instrument": "grasper", "verb": "grasp"}[category]
    tracks = labelled.tracks["train"]
    assert sum(track.labelled for track in tracks) == 1128
    assert sum(int((track.labels == 1).sum()) for track in tracks) == positive
    for track in tracks:  # all labels of an annotated second are known
        assert (track.known == (track.labels >= 0).all(axis=1)).all() and not track.conflicting
