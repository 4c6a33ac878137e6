"""Labelled moments as training clips: which frames, which crop, which label."""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from finetune.labels.joining import Track
from finetune.predictions import MISSING
from finetune.windows import Window
from video.augment import apply_crop, draw_crop
from video.clips import Watching, decode, first_readable
from video.config import Augmentation
from video.recording import UnreadableVideo


class LabelledClip(NamedTuple):
    """The clip of one moment; none, where every try to read one failed."""

    clip: UInt8[Tensor, "r t h w c"]  # one, or none
    label: int
    path: str
    failures: tuple[UnreadableVideo, ...]  # of the tries before the one that was read


class LabelledMoments:
    """The labelled moments of some recordings, numbered, and the clip of each.

    A moment without a label is not among them.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        window: Window,
        frames: int,
        size: tuple[int, int],
        augmentation: Augmentation,
    ) -> None:
        self._tracks, self._window, self._frames = tracks, window, frames
        self._size, self._augmentation = size, augmentation
        places = [
            (number, moment)
            for number, track in enumerate(tracks)
            for moment in np.flatnonzero(track.labels != MISSING).tolist()
        ]
        self._places = np.array(places, dtype=np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._places)

    def counts(self, classes: int) -> Int64[Tensor, " k"]:
        """Labelled moments of each class."""
        labels = [track.labels[track.labels != MISSING] for track in self._tracks]
        return torch.from_numpy(np.bincount(np.concatenate(labels), minlength=classes))

    def read(
        self,
        position: int,
        rng: Callable[[str], np.random.Generator],
        hung: Collection[int] = (),
        watched: Watching = lambda _: nullcontext(),
    ) -> LabelledClip:
        """`rng(stream)` gives the randomness of this position in this epoch.

        A moment whose frames cannot be read is reported and replaced by another one with its own
        label, drawn with the randomness of the position. Tries that are known to hang are not made
        again; each other one is made inside `watched(try)`.
        """
        drawing = rng("clip")
        place, frames, failures = first_readable(
            position, lambda: int(drawing.integers(len(self))),
            lambda place: self._at(place)[0].recording, self._decode, hung, watched,
        )  # fmt: skip
        track, moment = self._at(place)
        if frames is None:
            nothing = torch.empty(0, self._frames, *self._size, 3, dtype=torch.uint8)
            return LabelledClip(nothing, MISSING, track.recording.path, failures)
        clip = self._crop(frames, rng("crop"))[None]
        return LabelledClip(clip, int(track.labels[moment]), track.recording.path, failures)

    def _at(self, place: int) -> tuple[Track, int]:
        number, moment = self._places[place].tolist()
        return self._tracks[number], moment

    def _decode(self, place: int) -> UInt8[Tensor, "t h w c"]:
        track, moment = self._at(place)
        recording = track.recording
        last = max(0.0, recording.seconds - 1 / recording.fps)
        times = self._window.times(float(track.times[moment]), self._frames, last)
        return decode(recording, times.tolist(), self._augmentation, *self._size)

    def _crop(
        self, frames: UInt8[Tensor, "t h w c"], rng: np.random.Generator
    ) -> UInt8[Tensor, "t y x c"]:
        """One draw for all frames."""
        height, width = frames.shape[1:3]
        box = draw_crop(self._augmentation, height, width, *self._size, rng)
        mirrored = bool(self._augmentation.flip and rng.random() < 0.5)
        return apply_crop(frames, box, *self._size, mirrored)
