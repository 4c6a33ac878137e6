"""Files that no decoder takes: what they are, and what helps."""

from pathlib import Path

import pytest

from tests.video.conftest import write
from video.readers.container import open_container
from video.recording import UnreadableVideo


def reason(file: Path) -> str:
    with pytest.raises(UnreadableVideo) as caught, open_container(str(file)) as (container, _):
        list(container.decode(video=0))
    return caught.value.reason


def test_text_and_cut_files_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_text("Operation 1: Gallenblase, übernäht\n" * 1000)
    assert reason(file).endswith("): is text, not a video; remove it, or copy the video again")
    file.write_text("é" * 4000)  # a character ends behind what is read
    assert "is text" in reason(file)
    whole = write(tmp_path / "whole.mp4", [40 * n for n in range(100)])
    file.write_bytes(whole.read_bytes()[:3000])
    assert reason(file).endswith("): is cut: copy it again")
    file.write_bytes(bytes(range(256)) * 20)
    assert reason(file).endswith("): copy it again, or rewrite it with ffmpeg")
    file.unlink()
    assert reason(file) == "cannot be decoded (No such file or directory)"
