"""`data.exclude`: what looks like a named recording is left out too, and told."""

import shutil
from pathlib import Path

import pytest

from pretrain.data_config import PretrainDataConfig
from pretrain.exclusion import without_excluded
from tests.video.near_duplicates.disguises import DISGUISES
from video.open_source import open_paths
from video.progress import show_progress
from video.recording import LARGEST


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_what_looks_like_an_excluded_recording_is_excluded(
    operations: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_elsewhere: bool,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    disguised = DISGUISES["mirrored"](operations / "operation01.mp4", tmp_path / "y")
    named = tmp_path / "test" / "withdrawn.mp4"
    named.parent.mkdir()
    shutil.copy(operations / "operation01.mp4", named)
    paths = [str(disguised), str(operations / "operation02.mp4")]
    paths += [] if is_elsewhere else [str(named)]
    found = open_paths(dict.fromkeys(paths, LARGEST), "pyav", 1.0, 60.0, show_progress)
    (tmp_path / "exclude.txt").write_text("test/withdrawn.mp4\n")
    data = PretrainDataConfig(source="x", exclude=tmp_path / "exclude.txt")
    included, excluded = without_excluded(found.recordings, data)
    assert [Path(each.path).name for each in included] == ["operation02.mp4"]
    assert str(disguised) in {each.path for each in excluded}
    out = capsys.readouterr().out
    assert f"{disguised} looks like {named} (mirrored left to right, " in out
    assert "match no recording" not in out
    kept = PretrainDataConfig(source="x", exclude=tmp_path / "exclude.txt", allow_similar=True)
    assert str(disguised) in {each.path for each in without_excluded(found.recordings, kept)[0]}
    assert "looks like" in capsys.readouterr().out
