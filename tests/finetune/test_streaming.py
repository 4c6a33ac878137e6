"""Windows of a real recording: the frames of each, read once, and none of the future."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.streaming import WindowStream
from finetune.windows import Window
from video.opening import open_verified
from video.reading import read_frames
from video.recording import Recording
from video.synthetic import synthesize

SIZE = (48, 48)


@pytest.fixture(scope="module")
def operation(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("long")
    synthesize(folder, 1, seconds=40, size=72, seed=0)
    return opened(folder / "operation01.mp4")


def opened(path: Path) -> Recording:
    return open_verified(str(path), "pyav", 1.0, path.parent / "cache", lambda *_: None)


def stream(recording: Recording, kind: str = "causal", **more) -> WindowStream:
    moments = np.arange(0.0, recording.seconds)
    return WindowStream(recording, Window(kind, 1.0), 8, SIZE, moments, **more)


@pytest.mark.parametrize("kind", ["causal", "centred"])
@pytest.mark.parametrize("fitting", ["centre", "squeeze"])
def test_clips_are_those_of_a_read_for_each(operation: Recording, kind: str, fitting: str) -> None:
    window = Window(kind, 1.0)
    found = list(stream(operation, kind, at_once=7, fitting=fitting))
    clips = torch.cat([part.clips for part in found])
    assert torch.equal(
        clips, torch.cat([p.clips for p in stream(operation, kind, fitting=fitting)])
    )
    if fitting == "squeeze":
        last = operation.seconds - 1 / operation.fps
        for moment in (0, 3, 20, 39):
            times = window.times(float(moment), 8, last)
            unique, order = np.unique(times, return_inverse=True)
            frames = torch.from_numpy(read_frames(operation, unique.tolist(), *SIZE))
            assert torch.equal(clips[moment], frames[torch.from_numpy(order)])


@pytest.mark.parametrize("at_once", [1, 8, 100])
def test_every_frame_is_read_once_and_few_are_kept(operation: Recording, at_once: int) -> None:
    windows = stream(operation, at_once=at_once)
    most = 0
    for part in windows:
        most = max(most, windows.frames_kept)
        assert part.readable.all() and not part.failures
    assert windows.frames_read == 40  # 40 windows of 8 frames
    assert most <= 8 + at_once
    assert windows.frames_kept == 0


def test_what_comes_later_cannot_reach_a_causal_clip(operation: Recording, tmp_path: Path) -> None:
    """The first half of the file alone gives the same clips of its moments."""
    import av

    half = tmp_path / "half.mp4"
    with av.open(operation.path) as source, av.open(str(half), "w") as target:
        given = source.streams.video[0]
        written = target.add_stream_from_template(given)
        for packet in source.demux(given):
            if packet.pts is not None and float(packet.pts * packet.time_base) < 20:
                packet.stream = written
                target.mux(packet)
    part = opened(half)
    assert 19 < part.seconds < 21
    whole, cut = (next(iter(stream(each, at_once=15))) for each in (operation, part))
    assert torch.equal(whole.clips, cut.clips)
    centred = [next(iter(stream(each, "centred", at_once=18))) for each in (operation, part)]
    assert not torch.equal(centred[0].clips, centred[1].clips)


def test_a_frame_that_cannot_be_read_costs_its_windows_and_is_told(
    operation: Recording, tmp_path: Path
) -> None:
    """Pictures, of which one is no picture: the windows that want it, and no other."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    from PIL import Image

    for second in range(12):
        frame = read_frames(operation, [float(second)], 48, 64)[0]
        Image.fromarray(frame).save(folder / f"{second:06d}.jpg")
    recording = opened(folder)
    (folder / "000004.jpg").write_bytes(b"no picture")
    windows = WindowStream(recording, Window("causal", 1.0), 3, SIZE, np.arange(12.0), at_once=5)
    parts = list(windows)
    readable = np.concatenate([part.readable for part in parts])
    assert readable.tolist() == [True] * 4 + [False] * 3 + [True] * 5
    failures = [failure for part in parts for failure in part.failures]
    assert len(failures) == 1 and "000004.jpg" in str(failures[0])
    shutil.rmtree(folder)
