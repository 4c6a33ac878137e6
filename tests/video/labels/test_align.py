"""Labels aligned by time, and labels that do not fit."""

from pathlib import Path

import numpy as np
import pytest

from video.labels.align import (
    LabelTrack,
    align_labels,
    align_multi_labels,
    classes_in_order,
    timestamps,
)
from video.labels.label_report import label_report
from video.labels.segments import LabelError, LabelSegment, MultiLabelFile, MultiLabelSegment
from video.labels.single_label import read_labels
from video.recording import Recording

VIDEOS = Path(__file__).parents[4] / "shared/videos/cholect50_challenge_val"


def recording(seconds: float = 10.0, fps: float = 25.0, **more) -> Recording:
    frames = round(seconds * fps)
    return Recording("a.mp4", "pyav", fps, frames, seconds, 64, 64, 0.0, **more)


def aligned(segments: list[LabelSegment], classes=("x", "y"), rate: float = 1.0, **more):
    given = recording(**more)
    return align_labels(given, timestamps(given, rate), segments, classes, "labels.csv")


def test_each_timestamp_has_the_label_of_its_segment() -> None:
    track = aligned([LabelSegment(0.0, 4.0, "x", 2), LabelSegment(4.0, 8.0, "y", 3)])
    assert track.times.tolist() == list(range(10))
    assert track.labels.tolist() == [0] * 4 + [1] * 4 + [-1] * 2
    assert (track.labelled, track.unlabelled, track.out_of_range, track.conflicting) == (8, 2, 0, 0)


@pytest.mark.parametrize("rate", [0.5, 1.0, 5.0, 25.0])
def test_a_label_of_every_frame_labels_every_timestamp(rate: float) -> None:
    """Cholec80's numbers count frames at 25 a second; written times are rounded."""
    segments = [
        LabelSegment(i / 25, (i + 1) / 25, "x" if i < 100 else "y", i + 2) for i in range(250)
    ]
    track = aligned(segments, rate=rate)
    assert len(track.times) == 10 * rate and track.unlabelled == 0
    assert (track.labels == (track.times >= 4 - 1e-9)).all()


def test_timestamps_are_where_there_are_frames() -> None:
    given = recording(holes=((3.0, 6.0),))
    assert timestamps(given, 1.0).tolist() == [0, 1, 2, 6, 7, 8, 9]


def test_timestamps_are_all_ticks_outside_holes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        edges = np.unique(rng.uniform(0, 50, 2 * rng.integers(4)).round(rng.integers(3)))
        holes = tuple((float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=False))
        given = recording(seconds=50.0, holes=holes)
        rate = float(rng.choice([0.3, 1, 7, 25]))
        ticks = np.arange(int(50 * rate + 1e-3)) / rate
        for begin, end in holes:
            ticks = ticks[(ticks < begin - 1e-3) | (ticks >= end - 1e-3)]
        assert timestamps(given, rate).tolist() == ticks.tolist()


def test_a_hole_of_years_costs_nothing() -> None:
    given = recording(seconds=4e12, holes=((5.0, 4e12 - 5.0),))
    assert len(timestamps(given, 25.0)) == pytest.approx(250, abs=2)


def test_conflicting_segments_give_no_label_and_are_counted() -> None:
    track = aligned(
        [
            LabelSegment(0.0, 5.0, "x", 2),
            LabelSegment(4.0, 8.0, "y", 3),
            LabelSegment(6.0, 7.0, "y", 4),
        ]
    )
    assert track.conflicting == 1 and track.labels[4] == -1 and track.labels[6] == 1


def test_labels_just_out_of_range_are_counted_and_far_out_of_range_refused() -> None:
    assert (
        aligned([LabelSegment(0.0, 10.0, "x", 2), LabelSegment(10.0, 11.0, "x", 3)]).out_of_range
        == 1
    )
    with pytest.raises(
        LabelError, match=r"labels\.csv:3: a label at 250 s, but a\.mp4 ends at 10 s"
    ):
        aligned([LabelSegment(0.0, 10.0, "x", 2), LabelSegment(250.0, 251.0, "x", 3)])


def test_an_unknown_class_is_refused_with_the_nearest() -> None:
    with pytest.raises(LabelError, match=r"labels\.csv:7: 'Clippin' is none of .*'Clipping'"):
        aligned([LabelSegment(0.0, 1.0, "Clippin", 7)], classes=("Clipping", "Cutting"))


def test_classes_come_in_the_order_of_time() -> None:
    first = [LabelSegment(5.0, 6.0, "b", 2), LabelSegment(0.0, 1.0, "a", 3)]
    assert classes_in_order([first, [LabelSegment(0.0, 1.0, "c", 2)]]) == ("a", "b", "c")


def test_the_report_counts_everything() -> None:
    track = aligned(
        [
            LabelSegment(0.0, 4.0, "x", 2),
            LabelSegment(4.0, 6.0, "y", 3),
            LabelSegment(10.0, 11.0, "y", 4),
        ]
    )
    lines = label_report([track], ("x", "y"))
    assert lines[0] == "a.mp4: 6 labelled timestamps (4 without label, 1 segments out of range)"
    assert lines[1] == "6 labelled timestamps of 1 recording: x 67%, y 33%"


def aligned_multi(
    segments: list[MultiLabelSegment], of=("x", "y"), classes=("x", "y", "z"), **more
) -> LabelTrack:
    given = recording(**more)
    file = MultiLabelFile("tools.csv", of, {"a": segments})
    return align_multi_labels(given, timestamps(given, 1.0), segments, classes, file)


def test_several_labels_per_timestamp() -> None:
    track = aligned_multi(
        [MultiLabelSegment(0, 2, (1, 0), 2), MultiLabelSegment(2, 3, (-1, 1), 3)], ("z", "x")
    )
    assert track.labels[:4].tolist() == [[0, -1, 1], [0, -1, 1], [1, -1, -1], [-1, -1, -1]]
    assert track.is_multi_label and track.known.tolist() == [True] * 3 + [False] * 7
    assert (track.labelled, track.unlabelled, track.conflicting) == (3, 7, 0)


def test_a_conflicting_label_is_unknown_and_the_others_are_known() -> None:
    segments = [
        MultiLabelSegment(0, 2, (1, 0), 2),
        MultiLabelSegment(1, 3, (0, -1), 3),
        MultiLabelSegment(1, 2, (1, 1), 4),
    ]
    track = aligned_multi(segments, seconds=3.0)
    assert track.labels.tolist() == [[1, 0, -1], [-1, -1, -1], [0, -1, -1]]
    assert track.conflicting == 2
    lines = label_report([track], ("x", "y", "z"))
    assert lines[0] == "a.mp4: 2 labelled timestamps (1 without label, 2 conflicting)"


def test_several_labels_have_the_errors_of_one() -> None:
    with pytest.raises(LabelError, match=r"tools\.csv: 'Hok' is none of the 1 classes.*'Hook'"):
        aligned_multi([MultiLabelSegment(0, 1, (1,), 2)], ("Hok",), ("Hook",))
    with pytest.raises(
        LabelError, match=r"tools\.csv:2: a label at 250 s, but a\.mp4 ends at 10 s"
    ):
        aligned_multi([MultiLabelSegment(250, 251, (1, 1), 2)])
    assert aligned_multi([MultiLabelSegment(11, 12, (1, 1), 2)]).out_of_range == 1


def test_the_report_of_several_labels_counts_known_ones() -> None:
    segments = [MultiLabelSegment(0, 3, (1, 0), 2), MultiLabelSegment(3, 4, (0, -1), 3)]
    lines = label_report([aligned_multi(segments, seconds=5.0)], ("x", "y", "z"))
    assert lines == [
        "a.mp4: 4 labelled timestamps (1 without label)",
        "4 labelled timestamps of 1 recording: x 75.0%, y 0.0%, z unknown; "
        "8 of 15 labels are unknown",
    ]


def test_the_report_counts_clips_together() -> None:
    given, begins = recording(), np.array([0.0, 5.0])
    track = LabelTrack(given, begins, np.array([1, -1]), 0, 0, begins + 5)
    lines = label_report([track, track._replace(labels=np.array([0, 1]))], ("x", "y"))
    assert lines == ["3 labelled clips of 2 recordings (1 without label): x 33%, y 67%"]


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real recordings are not at hand")
@pytest.mark.parametrize("name", ["VID68", "VID70", "VID73", "VID74", "VID75"])
def test_real_labels_of_cholect50_agree_in_both_forms(name: str) -> None:
    table = read_labels(VIDEOS / "phases.csv", name).segments[name]
    theirs = read_labels(VIDEOS / f"labels/{name}.json", name).segments[name]
    numbers = (
        "preparation",
        "carlot-triangle-dissection",
        "clipping-and-cutting",
        "gallbladder-dissection",
        "gallbladder-packaging",
        "cleaning-and-coagulation",
        "gallbladder-extraction",
    )
    by_second = {mark.begin: mark.label for mark in theirs}
    assert len(by_second) > 90
    for mark in table:
        assert numbers[int(mark.label)] == by_second[mark.begin]
    assert np.isfinite(list(by_second)).all()


def test_of_many_classes_the_most_frequent_and_the_absent_are_named() -> None:
    """A hundred triplets, most of which never occur."""
    classes = tuple(f"triplet{i}" for i in range(100))
    labels = np.zeros((200, 100), dtype=np.int64)
    for i in range(30):
        labels[: 6 * (i + 1), i] = 1
    track = aligned([])._replace(labels=labels)
    line = label_report([track], classes)[-1]
    assert line.startswith(
        "200 labelled timestamps of 1 recording: triplet29 90.0%, triplet28 87.0%"
    )
    assert "20 more of at most 60.0%" in line
    assert "70 of 100 classes never (triplet30, triplet31, triplet32, triplet33, ...)" in line
    assert len(line) < 400
