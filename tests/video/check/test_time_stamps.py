"""`check` on recordings with unusual time stamps: what it writes can be read."""

from pathlib import Path

import av
import numpy as np
import pytest

from video.check.examine import ExaminedRecording, examine
from video.manifest import read_manifest, write_manifest


def examined(path: Path) -> ExaminedRecording:
    return examine(str(path), "pyav", 1.0, lambda _: None)


def mpeg2(file: Path, frames: int = 75, first: int = 35) -> Path:
    """Open groups of 12 pictures with 2 B frames, as DVD recorders write them."""
    with av.open(str(file), "w", format="vob" if file.suffix == ".vob" else None) as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"g": "12", "bf": "2"})
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 176, 144
        rng = np.random.default_rng(first)
        texture = rng.integers(0, 255, (144, 176 + 4 * frames, 3), np.uint8)
        for number in range(frames):
            picture = np.ascontiguousarray(texture[:, 4 * number : 4 * number + 176])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = first + number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize("name", ["x.ts", "x.vob"])
def test_a_recording_with_frames_out_of_order_has_no_hole(tmp_path: Path, name: str) -> None:
    found = examined(mpeg2(tmp_path / name))
    assert found.problems == []
    assert found.recording.holes == ()
    write_manifest([found.recording], tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv") == [found.recording]


@pytest.mark.parametrize("name", ["x.ts", "x.vob"])
def test_frames_lost_before_the_first_that_can_be_decoded_are_counted(
    tmp_path: Path, name: str
) -> None:
    file = mpeg2(tmp_path / name)
    content = file.read_bytes()
    file.write_bytes(content[len(content) // 3 :])  # begins inside a group of pictures
    found = examined(file)
    details = [problem.detail for problem in found.problems if problem.kind == "damaged"]
    assert "before the first that can be decoded" in details[0]
    assert found.recording.holes == ()
    write_manifest([found.recording], tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv") == [found.recording]
