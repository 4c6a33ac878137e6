"""Manifests: rows are stored exactly, or refused by line and column."""

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from tests.video.conftest import made_up
from video.manifest import (
    ManifestError,
    is_manifest,
    read_manifest,
    require_unchanged,
    write_manifest,
)
from video.recording import FieldOfView, Recording


def test_rows_survive_exactly(tmp_path: Path) -> None:
    recordings = [
        made_up(411.9115, 30000 / 1001, path="/a, b/ü.mp4", first=1 / 3, reader="decord"),
        made_up(
            10.0,
            path=str(tmp_path / "sub/c.mp4"),
            rotation=90,
            holes=((0.0, 1.5), (3.0, 4.04)),
            black=((2.0, 2.5),),
            view=FieldOfView("circle", (0.5, 0.8889, 0.4667)),
            motion="0093",
            key_frame_seconds=10.0,
            steady=False,
            bytes=12,
            content="ab",
            verified="3 positions",
            original="/raw/c.mov",
            original_content="cd",
            original_first=0.5,
            source="hospital",
            fingerprint="1:AAAAACRm04vIcYu2",
        ),
    ]
    file = tmp_path / "manifest.csv"
    write_manifest(recordings, file)
    assert is_manifest(file)
    assert read_manifest(file) == recordings
    assert [found.name for found in tmp_path.iterdir()] == ["manifest.csv"]


def test_a_manifest_moves_with_its_recordings(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    write_manifest([made_up(1.0, path=str(old / "a.mp4"))], old / "manifest.csv")
    old.rename(new)
    assert read_manifest(new / "manifest.csv")[0].path == str(new / "a.mp4")


def test_columns_of_ones_own_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    write_manifest([made_up(1.0, path="/a.mp4")], file)
    header, row = file.read_text().splitlines()
    file.write_text(f"hospital,{header}\nnorth,{row}\n")
    assert read_manifest(file) == [made_up(1.0, path="/a.mp4")]


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("25.0", "fast"), "2: fps is 'fast': "),
        (replaced("25.0", "-25"), "2: fps is '-25': input should be greater than 0"),
        (replaced("25.0", "nan"), "2: fps is 'nan': "),
        (replaced("25.0", ""), "2: fps is empty"),
        (replaced(",fps,", ",rate,"), "1: column fps is missing"),
        (replaced(",holes,", ",hole,"), "1: column hole is unknown; did you mean holes"),
        (replaced("pyav", "opencv"), "2: reader is 'opencv'"),
        (replaced("3-4", "4-3"), "2: holes is '1-2;4-3'"),
        (replaced("3-4", "1.5-4"), "2: holes is '1-2;1.5-4'"),
        (replaced("box:0", "oval:0"), "2: view is 'oval:0"),
        (lambda text: text + text.splitlines()[1] + "\n", "3: .*a.mp4 is also in line 2"),
        (lambda text: text.splitlines()[0], "lists no recordings"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_line_and_column(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    file = tmp_path / "manifest.csv"
    known = {"holes": ((1.0, 2.0), (3.0, 4.0)), "view": FieldOfView("box", (0.0, 0.1, 1.0, 1.0))}
    write_manifest([made_up(10.0, path="/a.mp4", **known)], file)
    file.write_text(change(file.read_text()))
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_recordings_that_changed_since_they_were_checked_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"1234")
    checked: list[Recording] = [made_up(1.0, path=str(file), bytes=4)]
    require_unchanged(checked, tmp_path / "manifest.csv")
    file.write_bytes(b"12345")
    with pytest.raises(ManifestError, match=r"1 changed \(.*a.mp4\) since they were checked"):
        require_unchanged(checked, tmp_path / "manifest.csv")
    file.unlink()
    for _ in range(2):
        with pytest.raises(ManifestError, match=r"1 missing or not readable \(.*a.mp4\); restore"):
            require_unchanged(checked, tmp_path / "manifest.csv")
        if not file.exists():
            os.mkfifo(file)  # which nobody writes to


def test_every_column_is_documented_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "docs/data.md").read_text()
    for field in fields(Recording):
        assert f"`{field.name}`" in readme


def test_an_older_manifest_without_fingerprints_is_read(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    write_manifest([made_up(1.0, path=str(tmp_path / "a.mp4"))], file)
    header, row = file.read_text().splitlines()
    assert header.endswith(",fingerprint") and row.endswith(",")
    file.write_text(f"{header.removesuffix(',fingerprint')}\n{row.removesuffix(',')}\n")
    assert read_manifest(file)[0].fingerprint == ""


def test_a_damaged_fingerprint_is_refused_by_line_and_in_few_words(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    write_manifest([made_up(1.0, path=str(tmp_path / "a.mp4"))], file)
    file.write_text(file.read_text().rstrip() + "1:" + "?" * 9000 + "\n")
    with pytest.raises(ManifestError, match=r"manifest\.csv:2: fingerprint is '1:\?\?") as refused:
        read_manifest(file)
    assert len(str(refused.value)) < 700
