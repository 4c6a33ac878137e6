"""Recordings with fewer frames per second than their clips ask for: such clips repeat pictures."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from video.recording import Recording

FAST_FPS = 1000.0  # of a recording in which every frame of a clip is another picture
TOLERANCE = 0.01  # seconds by which a time may precede a frame's timestamp

# The times of a clip's frames, in seconds, in a long recording of a frame rate.
TimesAt = Callable[[float], Float[np.ndarray, " t"]]


def pictures_shown(times: Float[np.ndarray, " t"], fps: float) -> int:
    """How many different frames of a recording are displayed at the times."""
    return len(np.unique(np.floor((times + min(TOLERANCE, 0.5 / fps)) * fps)))


def slow_recordings(
    recordings: Sequence[Recording], times_at: TimesAt, where: str, cure: str
) -> list[str]:
    """A warning where clips of some recordings repeat pictures; `where` is what it begins with."""
    expected = pictures_shown(times_at(FAST_FPS), FAST_FPS)
    shown = {fps: pictures_shown(times_at(fps), fps) for fps in {r.fps for r in recordings}}
    slow = [recording for recording in recordings if shown[recording.fps] < expected]
    if not slow:
        return []
    worst = min(slow, key=lambda recording: shown[recording.fps])
    number = shown[worst.fps]
    return [
        f"warning: {where}{len(slow)} of {len(recordings)} recordings have fewer frames per second "
        f"than their clips: {len(times_at(worst.fps))} frames of {worst.path} "
        f"({worst.fps:.4g} frames/s) show {number} picture{'s' * (number != 1)}; {cure}"
    ]
