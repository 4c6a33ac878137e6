"""Labels of arbitrary contents are read back from every format, and any other file is refused."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from video.labels.csv_table import LABEL_COLUMNS, NAME_COLUMNS, SEGMENT_COLUMNS, TIME_COLUMNS
from video.labels.multi_label import read_multi_labels
from video.labels.segments import LabelError
from video.labels.single_label import read_labels

hypothesis = pytest.importorskip("hypothesis", reason="pip install -r requirements-dev.txt")
st = hypothesis.strategies
RESERVED = {*NAME_COLUMNS, *TIME_COLUMNS, *SEGMENT_COLUMNS, *LABEL_COLUMNS, "Phase", "Frame"}
# any characters but those that end a line or move the cursor; blanks around a name do not count
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1)
names = words.map(str.strip).filter(lambda name: name and name not in RESERVED)
seconds = st.floats(0, 1e9)
spans = st.tuples(seconds, st.floats(1e-3, 1e6)).map(lambda span: (span[0], span[0] + span[1]))
values = st.sampled_from([1, 0, -1])


def bounded(examples: int) -> "hypothesis.settings":
    """The same examples in every run, so that a failure is repeated."""
    return hypothesis.settings(max_examples=examples, derandomize=True, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


def table(header: list[str], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def written(file: Path, text: str) -> Path:
    file.write_bytes(text.encode())
    return file


@bounded(60)
@hypothesis.given(rows=st.lists(st.tuples(names, spans, names), min_size=1))
def test_segments_of_a_csv_table(folder: Path, rows: list) -> None:
    cells = [(recording, *span, label) for recording, span, label in rows]
    file = written(folder / "x.csv", table(["recording", "start", "end", "label"], cells))
    read = read_labels(file, "other").segments
    found = [(name, (s.begin, s.end), s.label) for name in read for s in read[name]]
    assert sorted(found) == sorted(rows)


@bounded(60)
@hypothesis.given(data=st.data(), classes=st.lists(names, min_size=1, max_size=5, unique=True))
def test_classes_of_a_csv_table(folder: Path, data: "st.DataObject", classes: list[str]) -> None:
    row = st.tuples(spans, st.tuples(*[values] * len(classes)))
    rows = data.draw(
        st.lists(row, min_size=1).filter(lambda rows: any(set(v) != {-1} for _, v in rows))
    )
    cells = [(*span, *("" if value == -1 else value for value in known)) for span, known in rows]
    file = written(folder / "y.csv", table(["start", "end", *classes], cells))
    read = read_multi_labels(file, "op")
    assert read.classes == tuple(classes)
    assert [((s.begin, s.end), s.values) for s in read.segments["op"]] == rows


@bounded(60)
@hypothesis.given(phases=st.dictionaries(st.integers(0, 10**7), names, min_size=1))
def test_phases_of_cholec80(folder: Path, phases: dict[int, str]) -> None:
    lines = "".join(f"{frame}\t{phase}\n" for frame, phase in phases.items())
    read = read_labels(written(folder / "x-phase.txt", f"Frame\tPhase\n{lines}"), "op")
    found = {round(s.begin * 25): s.label for s in read.segments["op"]}
    assert found == phases


@bounded(60)
@hypothesis.given(data=st.data(), classes=st.lists(names, min_size=1, max_size=5, unique=True))
def test_tools_of_cholec80(folder: Path, data: "st.DataObject", classes: list[str]) -> None:
    row = st.tuples(*[st.sampled_from([0, 1])] * len(classes))
    rows = data.draw(st.dictionaries(st.integers(0, 10**7), row, min_size=1))
    lines = ["\t".join(map(str, (frame, *known))) for frame, known in rows.items()]
    text = "\n".join(["\t".join(["Frame", *classes]), *lines])
    read = read_multi_labels(written(folder / "x-tool.txt", text), "op")
    assert read.classes == tuple(classes)
    assert {round(s.begin * 25): s.values for s in read.segments["op"]} == rows


@bounded(60)
@hypothesis.given(data=st.data(), classes=st.lists(names, min_size=2, max_size=9))
def test_triplets_of_cholect50(folder: Path, data: "st.DataObject", classes: list[str]) -> None:
    classes = list(dict.fromkeys(" ".join(name.split()) for name in classes))
    number = st.integers(0, len(classes) - 1)
    rows = data.draw(st.dictionaries(st.integers(0, 10**5), st.sets(number), min_size=1))
    annotations = {
        second: [[n, *[-1] * 14] for n in numbers] or [[-1] * 15]
        for second, numbers in rows.items()
    }
    categories = {"triplet": dict(enumerate(classes))}
    text = json.dumps({"categories": categories, "annotations": annotations})
    read = read_multi_labels(written(folder / "x.json", text), "op", category="triplet")
    assert read.classes == tuple(classes)
    found = {s.begin: {n for n, value in enumerate(s.values) if value} for s in read.segments["op"]}
    assert found == rows


HEADERS = [b"", b"Frame\tPhase\n", b"Frame\tHook\tClip\n", b"time,phase\n", b"start,end,a,b\n"]
HEADERS += [b'{"categories": {"phase": {"0": "a"}}, "annotations": {"0": [', b"{", b"\xef\xbb\xbf"]


@pytest.mark.parametrize("read", [read_labels, read_multi_labels])
@bounded(200)
@hypothesis.given(header=st.sampled_from(HEADERS), content=st.binary() | words.map(str.encode))
def test_any_file_is_read_or_refused_by_name(
    folder: Path, read: Callable[..., object], header: bytes, content: bytes
) -> None:
    file = folder / "any.csv"
    file.write_bytes(header + content)
    try:
        read(file, "op")
    except LabelError as error:
        assert str(error).startswith(str(file)) or str(error).startswith("category")
        assert "\n" not in str(error)
