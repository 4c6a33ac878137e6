"""Overlapping windows of one recording, each frame read once, in memory that does not grow."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from finetune.windows import Window
from video.augment import apply_crop, decoded_size
from video.config import Augmentation
from video.inside import centred_crop
from video.reading import read_frames
from video.recording import FieldOfView, Recording, UnreadableVideo

Fitting = Literal["centre", "squeeze"]
UNSCALED = Augmentation(scales=(1.0,), max_distort=0)
WHOLE = FieldOfView("box", (0.0, 0.0, 1.0, float("inf")))


class Moments(NamedTuple):
    """Some consecutive moments and the clips that they are judged by."""

    times: Float[np.ndarray, " m"]
    clips: UInt8[Tensor, "m t h w c"]
    readable: Bool[np.ndarray, " m"]  # False where a frame of the window cannot be read
    failures: tuple[UnreadableVideo, ...]


class WindowStream:
    """The windows of moments, in their order, some at a time.

    Frames are kept while a later window may want them. `fitting`: the largest crop of the clip's
    proportions in the middle of the field of view, or the whole picture squeezed into the clip, as
    upstream's evaluation does. `frames_read` counts what was asked of the reader.
    """

    def __init__(
        self,
        recording: Recording,
        window: Window,
        frames: int,
        size: tuple[int, int],
        moments: Float[np.ndarray, " n"],
        at_once: int = 32,
        fitting: Fitting = "centre",
    ) -> None:
        self._recording, self._window, self._frames, self._size = recording, window, frames, size
        self._moments, self._at_once, self._fitting = moments, at_once, fitting
        self._kept: dict[float, UInt8[Tensor, "h w c"] | None] = {}
        self._last = max(0.0, recording.seconds - 1 / recording.fps)
        self.frames_read = 0

    def __iter__(self) -> Iterator[Moments]:
        for first in range(0, len(self._moments), self._at_once):
            times = self._moments[first : first + self._at_once]
            windows = np.stack([self._times(moment) for moment in times])
            following = self._moments[first + len(times) : first + len(times) + 1]
            failures = self._read(np.unique(windows))
            yield self._cut(times, windows, failures)
            self._forget(float(self._times(following[0]).min()) if len(following) else np.inf)

    def _times(self, moment: float) -> Float[np.ndarray, " t"]:
        """Rounded, so that one frame has one time in every window."""
        return np.round(self._window.times(float(moment), self._frames, self._last), 6)

    def _read(self, times: Float[np.ndarray, " n"]) -> tuple[UnreadableVideo, ...]:
        wanted = [time for time in times.tolist() if time not in self._kept]
        if not wanted:
            return ()
        self.frames_read += len(wanted)
        try:
            self._keep(wanted)
            return ()
        except UnreadableVideo:
            failures = []
            for time in wanted:  # the others of this stretch are as good as ever
                try:
                    self._keep([time])
                except UnreadableVideo as failure:
                    self._kept[time] = None
                    failures.append(failure)
            return tuple(failures)

    def _keep(self, times: Sequence[float]) -> None:
        height, width, (rows, columns) = self._recording.height, self._recording.width, self._size
        if self._fitting == "squeeze":
            read = torch.from_numpy(read_frames(self._recording, times, rows, columns))
        else:
            scaled = decoded_size(UNSCALED, height, width, rows, columns)
            frames = torch.from_numpy(read_frames(self._recording, times, *scaled))
            box = centred_crop(self._recording.view or WHOLE, *scaled, rows, columns)
            read = apply_crop(frames, box, rows, columns, mirrored=False)
        self._kept |= dict(zip(times, read.unbind(0), strict=True))

    def _cut(
        self,
        times: Float[np.ndarray, " m"],
        windows: Float[np.ndarray, "m t"],
        failures: tuple[UnreadableVideo, ...],
    ) -> Moments:
        dark = torch.zeros(*self._size, 3, dtype=torch.uint8)
        clips, readable = [], []
        for window in windows.tolist():
            frames = [self._kept[time] for time in window]
            readable.append(all(frame is not None for frame in frames))
            clips.append(torch.stack([dark if frame is None else frame for frame in frames]))
        return Moments(times, torch.stack(clips), np.array(readable), failures)

    def _forget(self, before: float) -> None:
        self._kept = {time: frame for time, frame in self._kept.items() if time >= before}

    @property
    def frames_kept(self) -> int:
        return len(self._kept)
