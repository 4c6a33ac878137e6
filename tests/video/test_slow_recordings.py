"""Clips that repeat pictures are named, with how many pictures they show."""

import numpy as np
import pytest

from tests.video.conftest import made_up
from video.slow_recordings import pictures_shown, slow_recordings


@pytest.mark.parametrize(
    ("fps", "pictures"), [(1, 3), (3, 8), (6.25, 16), (6.2499, 16), (25, 16), (29.97, 16)]
)
def test_pictures_of_a_clip_of_16_frames(fps: float, pictures: int) -> None:
    assert pictures_shown(np.arange(16) / 6.25, fps) == pictures


def test_the_slowest_recording_is_named() -> None:
    recordings = [made_up(60, fps, path=f"{fps}.mp4") for fps in (25, 3, 1)]
    (line,) = slow_recordings(recordings, lambda fps: np.arange(16) / 6.25, "a: ", "lower it")
    assert line == (
        "warning: a: 2 of 3 recordings have fewer frames per second than their clips: 16 frames "
        "of 1.mp4 (1 frames/s) show 3 pictures; lower it"
    )
    assert slow_recordings(recordings, lambda fps: np.arange(16) * 4 / fps, "", "") == []
