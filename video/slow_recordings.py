"""Recordings with fewer frames per second than their clips ask for: such clips repeat pictures."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from video.readers.container import timestamp_tolerance
from video.recording import Recording
from video.text_table import format_count

FAST_FPS = 1000.0  # of a recording in which every frame of a clip is another picture

# The times of a clip's frames, in seconds, in a long recording of a frame rate.
TimesAt = Callable[[float], Float[np.ndarray, " t"]]


def pictures_shown(times: Float[np.ndarray, " t"], fps: float) -> int:
    """How many different frames of a recording are displayed at the times."""
    return len(np.unique(np.floor((times + timestamp_tolerance(fps)) * fps)))


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
        f"({worst.fps:.4g} frames/s) show {format_count(number, 'picture')}; {cure}"
    ]
