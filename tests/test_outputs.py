"""Every command tries its output before the work for it: a path that cannot be written is an error
even before an input that is missing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import encoder.cli
import finetune.cli
import launch.cli
import pretrain.cli
import video.cli

Main = Callable[[Sequence[str]], int | None]
FILES: list[tuple[Main, str]] = [
    (video.cli.main, "check INPUT --out OUT.csv"),
    (video.cli.main, "preview INPUT --out OUT.png"),
    (encoder.cli.main, "convert INPUT OUT.safetensors"),
    (launch.cli.main, "consolidate INPUT OUT.safetensors"),
    (launch.cli.main, "report INPUT --out OUT.html"),
    (launch.cli.main, "report INPUT --as-reference OUT.json"),
    (pretrain.cli.main, "export INPUT OUT.pth"),
    (finetune.cli.main, "merge OUT.yaml one=INPUT two=INPUT"),
]
FOLDERS: list[tuple[Main, str]] = [
    (video.cli.main, "prepare INPUT OUT --form jpeg"),
    (pretrain.cli.main, "reconstruct INPUT INPUT --out OUT"),
    (finetune.cli.main, "evaluate INPUT --out OUT"),
    (finetune.cli.main, "predict INPUT --run INPUT --out OUT"),
    (finetune.cli.main, "features INPUT OUT --weights INPUT"),
    (finetune.cli.main, "attention INPUT INPUT --out OUT"),
]


def name_of(value: Main | str) -> str:
    return value if isinstance(value, str) else value.__module__.partition(".")[0]


def error_of(main: Main, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command ends with."""
    try:
        assert main(words) == 2
        return capsys.readouterr().err
    except Exception as error:
        assert getattr(error, "exit_status", None) == 2, error
        return str(error)


@pytest.mark.parametrize(("main", "command"), FILES, ids=name_of)
def test_a_file_in_a_folder_that_is_missing_is_refused_first(
    main: Main, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "missing/out"
    words = command.replace("INPUT", str(tmp_path / "input")).replace("OUT", str(out)).split()
    line = error_of(main, words, capsys)
    assert f"{out}." in line
    assert "No such file or directory" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("main", "command"), FOLDERS, ids=name_of)
def test_a_folder_below_a_file_is_refused_first(
    main: Main, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    out = tmp_path / "file/out"
    words = command.replace("INPUT", str(tmp_path / "input")).replace("OUT", str(out)).split()
    line = error_of(main, words, capsys)
    assert str(out) in line
    assert "Not a directory" in line
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_trial_leaves_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    from launch.atomic_io import require_writable as of_launch
    from video.atomic_write import require_writable as of_video

    (tmp_path / "there").write_text("kept")
    for require_writable in (of_launch, of_video):
        require_writable(tmp_path / "there")
        require_writable(tmp_path / "new")
        require_writable(tmp_path / "a/b/c", is_folder=True)
    assert [file.name for file in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "kept"


def test_a_name_that_would_overwrite_a_recording_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "has the name of a video" in error_of(
        video.cli.main, ["check", str(tmp_path), "--out", str(tmp_path / "a.mp4")], capsys
    )
    assert "--out clips.tif: give a name that ends with .png or .jpg" in error_of(
        video.cli.main, ["preview", str(tmp_path), "--out", "clips.tif"], capsys
    )
