"""A resumed run compares its recordings, by content, before it takes a step."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from launch.recipe import load_recipe
from pretrain.cli import RECIPES, main
from pretrain.config import PretrainConfig
from pretrain.source_changes import ROWS_DIGEST, compare_sources
from tests.conftest import call_program
from tests.pretrain.runs import log_of, losses, run_alone, words
from video.changes import contents_now, find_moved, with_contents
from video.fingerprint import content_digest
from video.manifest import ManifestError, read_manifest, rows_digest, write_manifest
from video.open_source import open_source
from video.progress import show_progress


def begin(source: Path, run: Path) -> None:
    """The run folder that a start leaves, as far as its recordings are concerned."""
    run.mkdir(exist_ok=True)
    recordings = with_contents(open_source(source, "pyav", 1.0, 60, show_progress).recordings)
    write_manifest(recordings, run / "manifest.csv")
    start = {"from_step": 0, ROWS_DIGEST: rows_digest(recordings)}
    (run / "environment.json").write_text(json.dumps([start]))


def resume(source: Path, run: Path, *overrides: str) -> list[str]:
    arguments = words(source, run, *overrides)
    config = load_recipe(PretrainConfig, arguments[0], arguments[1:], RECIPES)
    return compare_sources(config, run).notes


@pytest.fixture
def source(operations: Path, tmp_path: Path) -> Path:
    return shutil.copytree(operations, tmp_path / "source")


def swap_bytes(file: Path) -> None:
    """Another content of the same size."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_changed_recording_is_named_before_a_step(source: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = words(source, run, "schedule.steps=1")
    assert run_alone(arguments).returncode == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    shutil.copyfile(source / "operation02.mp4", source / "operation01.mp4")
    done = run_alone(words(source, run, "schedule.steps=3"))
    checked = call_program("pretrain", lambda: main([*words(source, run), "--check"]))
    assert (checked.returncode, checked.stderr) == (2, done.stderr)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"1 changed ({source}/operation01.mp4); restore them, or let" in done.stderr
    assert [line["step"] for line in log_of(run)] == [1]
    name = "encoder.safetensors"
    assert (run / name).read_bytes() == before[run / name]


def test_recordings_that_are_as_they_were_are_no_reason_to_speak(
    source: Path, tmp_path: Path
) -> None:
    begin(source, tmp_path / "run")
    assert resume(source, tmp_path / "run") == []


def test_changed_and_missing_recordings_are_named(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    swap_bytes(source / "operation01.mp4")
    (source / "operation02.mp4").unlink()
    message = r"1 changed \(.*operation01.mp4\), 1 missing or not readable \(.*operation02.mp4\); "
    with pytest.raises(ManifestError, match=message):
        resume(source, tmp_path / "run")


def test_a_run_whose_recordings_moved_resumes_to_the_same_bits(
    source: Path, tmp_path: Path
) -> None:
    def steps(count: int) -> str:
        return f"schedule={{kind: constant, steps: {count}, warmup: 0}}"

    whole, run, moved = (tmp_path / name for name in ("whole", "run", "moved"))
    assert run_alone(words(source, whole, steps(4))).returncode == 0
    first = run_alone(words(source, run, steps(2)))
    assert first.returncode == 0, first.stderr
    digest = rows_digest(read_manifest(run / "manifest.csv"))
    source.rename(moved)
    (moved / "operation01.mp4").rename(moved / "a new name.mp4")  # its sort order changes too
    gone = run_alone(words(source, run, steps(4)))
    assert gone.returncode == 2 and str(source) in gone.stderr
    done = run_alone(words(moved, run, steps(4)))
    assert done.returncode == 0, done.stderr
    assert "recordings: 2 moved (" in done.stdout
    assert f"{source}/operation01.mp4 is now {moved}/a new name.mp4" in done.stdout
    rows = read_manifest(run / "manifest.csv")
    assert [Path(row.path).name for row in rows] == ["a new name.mp4", "operation02.mp4"]
    assert rows_digest(rows) == digest
    assert losses(run)[-2:] == losses(whole)[-2:]
    assert resume(moved, run) == []  # said once


def test_recordings_that_exchanged_their_names_are_found(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    first, second = source / "operation01.mp4", source / "operation02.mp4"
    before = {row.content: row.path for row in read_manifest(tmp_path / "run/manifest.csv")}
    first.rename(source / "third.mp4")
    second.rename(first)
    (note,) = resume(source, tmp_path / "run")
    assert f"{second} is now {first}" in note and f"{first} is now {source}/third.mp4" in note
    (source / "third.mp4").rename(second)
    (note,) = resume(source, tmp_path / "run")
    assert f"{first} is now {second}" in note and f"{second} is now {first}" in note
    assert set(before.values()) == {str(first), str(second)}


def test_the_stream_is_a_part_of_what_a_run_began_with(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    own = tmp_path / "run/manifest.csv"
    rows = read_manifest(own)
    assert rows_digest([replace(rows[0], stream=1), *rows[1:]]) != rows_digest(rows)
    write_manifest([replace(rows[0], stream=1), *rows[1:]], own)
    with pytest.raises(ManifestError, match=r"manifest.csv: was edited since the run began"):
        resume(source, tmp_path / "run")


def test_recordings_that_moved_are_found_by_content_alone(source: Path, tmp_path: Path) -> None:
    excluded = tmp_path / "withdrawn.txt"
    excluded.write_text("operation02\n")
    begin(source, tmp_path / "run")
    rows = read_manifest(tmp_path / "run/manifest.csv")
    write_manifest(rows[1:], tmp_path / "run/excluded.csv")
    write_manifest(rows[:1], tmp_path / "run/manifest.csv")
    (tmp_path / "run/environment.json").unlink()
    moved = source.rename(tmp_path / "moved")
    (note,) = resume(moved, tmp_path / "run", f"data.exclude={excluded}")
    assert "2 moved" in note  # the excluded one is not called new
    swap_bytes(moved / "operation01.mp4")
    with pytest.raises(ManifestError, match=r"1 missing or not readable \(.*operation01.mp4\)"):
        resume(moved, tmp_path / "run", f"data.exclude={excluded}")


def test_copies_are_found_once_each(source: Path, tmp_path: Path) -> None:
    shutil.copyfile(source / "operation01.mp4", source / "copy.mp4")
    rows = with_contents(open_source(source, "pyav", 1.0, 60, show_progress).recordings)
    moved = source.rename(tmp_path / "moved")
    now = find_moved(rows, [str(path) for path in moved.iterdir()])
    assert len(set(now.values())) == len(now) == 3
    for before, after in now.items():
        assert content_digest(after) == next(r.content for r in rows if r.path == before)
    assert find_moved([replace(row, content="") for row in rows], list(now.values())) == {}


def test_new_recordings_are_named_and_not_used(source: Path, tmp_path: Path) -> None:
    (source / "broken.mp4").write_bytes(b"")
    begin(source, tmp_path / "run")
    failure = {"path": str(source / "broken.mp4"), "reason": "is empty", "during": "recordings"}
    (tmp_path / "run/unreadable.jsonl").write_text(json.dumps(failure) + "\nhalf a li")
    assert resume(source, tmp_path / "run") == []
    shutil.copyfile(source / "operation01.mp4", source / "operation03.mp4")
    (note,) = resume(source, tmp_path / "run")
    assert f"1 not in this run ({source}/operation03.mp4), which goes on without them" in note


def test_recordings_that_are_no_longer_to_be_used_are_named(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    excluded = tmp_path / "withdrawn.txt"
    excluded.write_text("operation02\n")
    with pytest.raises(ManifestError, match=r"1 now in data.exclude \(.*operation02.mp4\)"):
        resume(source, tmp_path / "run", f"data.exclude={excluded}")
    listing = tmp_path / "list.txt"
    listing.write_text(f"{source}/operation01.mp4\n")
    with pytest.raises(ManifestError, match=r"1 no longer in data.source \(.*operation02.mp4\)"):
        resume(listing, tmp_path / "run")


def test_a_manifest_edited_after_the_start_is_told(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    own = tmp_path / "run/manifest.csv"
    rows = read_manifest(own)
    write_manifest([replace(rows[0], black=((1.0, 2.0),)), rows[1]], source / "manifest.csv")
    (note,) = resume(source, tmp_path / "run")
    assert "rows of its manifest, 1 changed (" in note and "operation01.mp4" in note
    for edited in ([replace(rows[0], black=((1.0, 2.0),)), rows[1]], rows[:1], rows[::-1]):
        write_manifest(edited, own)
        with pytest.raises(ManifestError, match=r"manifest.csv: was edited since the run began"):
            resume(source, tmp_path / "run")


def test_a_manifest_is_not_believed_about_a_file_of_the_same_size(
    source: Path, tmp_path: Path
) -> None:
    begin(source, tmp_path / "run")
    shutil.copyfile(tmp_path / "run/manifest.csv", source / "manifest.csv")
    swap_bytes(source / "operation02.mp4")
    with pytest.raises(ManifestError, match=r"1 changed \(.*operation02.mp4\) since they were"):
        open_source(source, "pyav", 1.0, 60, show_progress)


def test_a_changed_file_has_both_contents(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    rows = read_manifest(tmp_path / "run/manifest.csv")
    assert contents_now(rows) == []
    swap_bytes(source / "operation02.mp4")
    (now,) = contents_now(rows)
    assert now.path == rows[1].path
    assert now.content == content_digest(now.path) != rows[1].content


def test_a_manifest_without_digests_gets_them_in_the_run(source: Path, tmp_path: Path) -> None:
    begin(source, tmp_path / "run")
    rows = read_manifest(tmp_path / "run/manifest.csv")
    bare = [replace(row, content="", bytes=None) for row in rows]
    contents = [row.content for row in with_contents(bare)]
    assert contents == [content_digest(row.path) for row in rows]


@pytest.mark.parametrize("name", ["manifest.csv", "excluded.csv", "unreadable.jsonl"])
def test_damaged_files_of_a_run_are_no_traceback(source: Path, tmp_path: Path, name: str) -> None:
    begin(source, tmp_path / "run")
    whole = (tmp_path / "run/manifest.csv").read_bytes()
    (tmp_path / "run/environment.json").write_bytes(b"{}")
    for content in (
        *(b"", b"{}", b"\xff\xfe", b"\x00", b"[" * 100_000, b'"' * 3, b"path\n", b"\n\n"),
        *(whole[:-40], whole + b'"', whole + b"x" * 200_000, whole.replace(b"pyav", b"\xe4")),
    ):
        (tmp_path / "run" / name).write_bytes(content)
        try:
            resume(source, tmp_path / "run")
        except ManifestError as error:
            assert str(error).count("\n") == 0 and str(tmp_path / "run") in str(error)
