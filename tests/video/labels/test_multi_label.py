"""Files of several labels per timestamp: each format, and each kind of error in a line."""

import json
from pathlib import Path

import pytest

from video.labels.multi_label import read_multi_labels
from video.labels.segments import LabelError, MultiLabelSegment

VIDEOS = Path(__file__).parents[4] / "shared/videos/cholect50_challenge_val"
NAMES = {
    "instrument": {"0": "grasper", "1": "hook", "10": "clipper"},
    "phase": {"0": "preparation"},
}


def written(folder: Path, text: str, name: str = "tools.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


def annotated(**seconds: list[int]) -> str:
    """CholecT50's JSON with the instruments of some seconds."""
    rows = {key[1:]: [[0, i, *[0] * 13] for i in numbers] for key, numbers in seconds.items()}
    return json.dumps({"categories": NAMES, "annotations": rows})


def test_cholec80s_tools_are_valid_until_the_next_row(tmp_path: Path) -> None:
    text = "Frame\tGrasper\tSpecimen bag\n0\t1\t0\n25\t0\t0\n50\t0\t1\n"
    file = read_multi_labels(written(tmp_path, text), "video01")
    assert file.classes == ("Grasper", "Specimen bag")
    assert file.segments == {
        "video01": [
            MultiLabelSegment(0, 1, (1, 0), 2),
            MultiLabelSegment(1, 2, (0, 0), 3),
            MultiLabelSegment(2, 3, (0, 1), 4),
        ]
    }
    slower = read_multi_labels(written(tmp_path, text), "video01", label_fps=5.0).segments[
        "video01"
    ]
    assert [(segment.begin, segment.end) for segment in slower] == [(0, 5), (5, 10), (10, 15)]


def test_a_gap_between_rows_of_tools_stays_without_labels(tmp_path: Path) -> None:
    rows = "".join(f"{frame}\t1\n" for frame in (0, 25, 50, 500, 525))
    segments = read_multi_labels(written(tmp_path, "Frame\tHook\n" + rows), "a").segments["a"]
    assert [segment.end for segment in segments] == [1, 2, 3, 21, 22]


def test_rows_of_one_frame_are_all_read_and_may_conflict(tmp_path: Path) -> None:
    segments = read_multi_labels(
        written(tmp_path, "Frame\tHook\n0\t1\n0\t0\n25\t1\n"), "a"
    ).segments["a"]
    assert [(segment.begin, segment.end, segment.values) for segment in segments] == [
        (0, 1, (1,)),
        (0, 1, (0,)),
        (1, 2, (1,)),
    ]


def test_cholect50s_categories_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, annotated(s8=[10, 0, 0], s9=[-1], s12=[]))
    file = read_multi_labels(path, "VID70", category="instrument")
    assert file.classes == ("grasper", "hook", "clipper")
    assert file.segments["VID70"] == [
        MultiLabelSegment(8, 9, (1, 0, 1), 0),
        MultiLabelSegment(9, 10, (0, 0, 0), 0),
        MultiLabelSegment(12, 13, (0, 0, 0), 0),
    ]
    with pytest.raises(LabelError, match="'phase' is not multi-label; set category to one of"):
        read_multi_labels(path, "VID70", category="phase")
    with pytest.raises(LabelError, match=r"not CholecT50's \(KeyError: 7\)"):
        read_multi_labels(written(tmp_path, annotated(s1=[7])), "VID70", category="instrument")


def test_a_wide_table_of_timestamps_or_segments(tmp_path: Path) -> None:
    path = written(tmp_path, "video,second,C1,C2\na,3,1,\nb,4,-1,0\na,5,0.0,1.0\n")
    file = read_multi_labels(path, "unused")
    assert file.classes == ("C1", "C2") and file.segments == {
        "a": [MultiLabelSegment(3, 4, (1, -1), 2), MultiLabelSegment(5, 6, (0, 1), 4)],
        "b": [MultiLabelSegment(4, 5, (-1, 0), 3)],
    }
    path = written(tmp_path, "\ufeffstart, end, C1\n0, 12.5, 1\n\n12.5, 60, 0\n")
    assert read_multi_labels(path, "a").segments["a"] == [
        MultiLabelSegment(0, 12.5, (1,), 2),
        MultiLabelSegment(12.5, 60, (0,), 4),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Frame\tPhase\n0\tA\n", r"tools\.txt:1: has a column Phase; set multi_label: false"),
        ("Frame\tHook\n0\t1\n25\t2\n", r"tools\.txt:3: Hook is '2'; write 1"),
        ("Frame\tHook\tClip\n0\t1\t0\n25\t1\n", r"tools\.txt:3: '25\\t1' is not a frame and 2"),
        ("Frame\tHook\n-25\t1\n", r"tools\.txt:2: '-25\\t1' is not a frame"),
        (
            "Frame\tHook\tHook\n0\t1\t1\n",
            r"tools\.txt:1: its classes are 'Hook', 'Hook'; give",
        ),
        ("Frame\n0\n", r"tools\.txt:1: its classes are none"),
        ("Frame\tHook\n", "contains no labels"),
        ("time,a,b\n0,1,yes\n", r"tools\.txt:2: b is 'yes'; write 1"),
        ("time,a,b\n0,1,0\n1,1\n", r"tools\.txt:3: has 2 cells, the header has 3"),
        ("time,a,b\n0,,-1\n", "contains no labels"),
        ("time,a,\n0,1,\n", r"tools\.txt:1: its classes are 'a', ''; give each class"),
        ("time,a,a\n0,1,0\n", r"tools\.txt:1: has two columns 'a'"),
        (
            "time,phase\n0,A\n",
            r"tools\.txt:1: has a column phase .*; set multi_label: false",
        ),
        ("a,b\n0,1\n", r"tools\.txt:1: has the columns a, b; labels need start and end"),
        ("start,end,a\n5,5,1\n", r"tools\.txt:2: begins at 5 and ends at 5"),
        ("time,a\ninf,1\n", r"tools\.txt:2: 'inf' is not a time"),
        ("hello", "matches no label format"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message) as caught:
        read_multi_labels(written(tmp_path, text), "a")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real recordings are not at hand")
def test_real_triplets_are_made_of_their_parts() -> None:
    """`label_mapping.txt` says of which instrument, verb and target each triplet is."""
    lines = (VIDEOS / "label_mapping.txt").read_text().splitlines()[1:]
    part_of = {int(row[0]): tuple(map(int, row[1:4])) for row in (li.split(",") for li in lines)}
    seconds = 0
    for name in ("VID68", "VID70", "VID73", "VID74", "VID75"):
        path = VIDEOS / f"labels/{name}.json"
        triplets = read_multi_labels(path, name, category="triplet")
        assert len(triplets.classes) == 100 and triplets.classes[82] == "irrigator,aspirate,fluid"
        seconds += len(triplets.segments[name])
        for place, category in enumerate(("instrument", "verb", "target")):
            parts = read_multi_labels(path, name, category=category)
            assert len(parts.classes) == (6, 10, 15)[place]
            for triplet, part in zip(triplets.segments[name], parts.segments[name], strict=True):
                numbers = {part_of[i][place] for i, value in enumerate(triplet.values) if value}
                assert numbers <= {i for i, value in enumerate(part.values) if value}
                assert (triplet.begin, triplet.end) == (part.begin, part.end)
    assert seconds == 1128
