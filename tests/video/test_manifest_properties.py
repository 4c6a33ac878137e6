"""Whatever is measured of a recording can be written into a manifest and read back."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from video.manifest import MEASURED, ManifestError, as_listed, read_manifest, write_manifest
from video.near_duplicates.fingerprint import Fingerprint
from video.readers.registry import READERS
from video.recording import FieldOfView, Recording, Span, spans_within

hypothesis = pytest.importorskip("hypothesis", reason="pip install -r requirements-dev.txt")
st = hypothesis.strategies
times = st.floats(-1e12, 1e12)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
text = st.text(st.characters(codec="utf-8"))
# bytes that are not UTF-8 become surrogates, as in the names that the operating system gives
names = st.binary(min_size=1).filter(lambda name: not set(name) & set(b"/\0")).map(os.fsdecode)
paths = names.filter(lambda name: name not in (".", "..")).map("/videos/".__add__)
spans = st.builds(spans_within, st.lists(st.tuples(times, times)), positive)

hashes = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(min_size=8, max_size=8)))


def as_fingerprint(found: list[tuple[int, bytes]]) -> str:
    times = np.array(sorted(time for time, _ in found)) / 100
    images = np.frombuffer(b"".join(each for _, each in found), np.uint8).reshape(-1, 8)
    return Fingerprint(times, images).text()


@st.composite
def views(draw: "st.DrawFn") -> FieldOfView:
    kind, radii = draw(st.sampled_from([("circle", 1), ("ellipse", 2), ("box", 0)]))
    row, column = draw(times), draw(times)
    if kind == "box":
        bottom, right = draw(times), draw(times)
        hypothesis.assume(row < bottom and column < right)
        return FieldOfView("box", (row, column, bottom, right))
    return FieldOfView(kind, (row, column, *(draw(positive) for _ in range(radii))))


recordings = st.builds(
    Recording,
    path=paths,
    reader=st.sampled_from(sorted(READERS)),
    fps=positive,
    frames=st.integers(1),
    seconds=positive,
    width=st.integers(1),
    height=st.integers(1),
    first=times,
    rotation=st.sampled_from([0, 90, 180, 270]),
    holes=spans,
    black=spans,
    frozen=spans,
    view=st.none() | views(),
    motion=st.text("0123456789"),
    key_frame_seconds=st.none() | st.floats(0, allow_infinity=False),
    steady=st.none() | st.booleans(),
    stream=st.none() | st.integers(0, 99),
    bytes=st.none() | st.integers(0),
    content=text,
    verified=text,
    original=st.just("") | paths,
    original_content=text,
    original_first=st.none() | times,
    source=text,
    fingerprint=st.just("") | hashes.map(as_fingerprint),
)


def bounded(examples: int) -> "hypothesis.settings":
    """The same examples in every run, so that a failure is repeated."""
    return hypothesis.settings(max_examples=examples, derandomize=True, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folder")


@bounded(60)
@hypothesis.given(rows=st.lists(recordings, min_size=1, max_size=3, unique_by=lambda row: row.path))
def test_every_recording_is_read_back_as_it_was_written(
    folder: Path, rows: list[Recording]
) -> None:
    file = folder / "manifest.csv"
    write_manifest(rows, file)
    assert read_manifest(file) == rows
    assert [as_listed(row) for row in rows] == rows


@bounded(200)
@hypothesis.given(found=st.lists(st.tuples(times, times)), seconds=positive)
def test_spans_are_inside_the_recording_ascending_and_not_empty(
    found: list[Span], seconds: float
) -> None:
    kept = spans_within(found, seconds)
    edges = [edge for span in kept for edge in span]
    assert edges == sorted(set(edges))
    assert all(-1e-9 <= edge <= seconds + 1e-4 for edge in edges)
    for begin, end in found:
        if begin >= 0 and begin + 0.01 < end <= seconds:  # nothing that matters is dropped
            assert any(a <= begin + 1e-4 and end - 1e-4 <= b for a, b in kept)


@bounded(200)
@hypothesis.given(content=st.binary(), with_header=st.booleans())
def test_any_file_is_read_or_refused_by_name(
    folder: Path, content: bytes, with_header: bool
) -> None:
    file = folder / "manifest.csv"
    header = ",".join(["path", *MEASURED, "holes", "view"]).encode() + b"\n"
    file.write_bytes(header * with_header + content)
    with pytest.raises(ManifestError, match=r"manifest\.csv") as refused:
        read_manifest(file)
    assert "\n" not in str(refused.value)


def test_the_strategy_fills_every_column() -> None:
    assert {field.name for field in fields(Recording)} == set(recordings.wrapped_strategy.kwargs)


def test_a_recording_with_more_damage_than_a_cell_of_csv_may_have_is_read(tmp_path: Path) -> None:
    holes = tuple((n / 10, n / 10 + 0.04) for n in range(20_000))
    row = Recording("/x.ts", "pyav", 25.0, 1, 2001.0, 64, 48, 0.0, holes=holes)
    write_manifest([row], tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv") == [row]
