"""From a position in an epoch to clips at the size of the network's input."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from video.augment import apply_crop, decoded_size, draw_crop
from video.config import Augmentation
from video.reading import read_frames
from video.recording import Recording, UnreadableVideo
from video.sampling import ClipSampler, Place

HUNG = "reading hung: it took longer than data.read_timeout"
MOST_TRIES = 20  # where so many places in a row cannot be read, the disk is gone


class ClipRead(NamedTuple):
    """Clips cut from one decoded stretch; none where every try failed."""

    clips: UInt8[Tensor, "r t h w c"]
    path: str
    failures: tuple[UnreadableVideo, ...]  # of the tries before the one that was read


class ClipReader:
    """Reads a position: decodes its frames once, and cuts `clips_per_read` clips out of them."""

    def __init__(
        self, recordings: Sequence[Recording], sampler: ClipSampler, augmentation: Augmentation,
        rows: int, columns: int, clips_per_read: int,
    ) -> None:  # fmt: skip
        self._recordings, self._sampler, self._augmentation = recordings, sampler, augmentation
        self._rows, self._columns, self._copies = rows, columns, clips_per_read

    def read(
        self, position: int, rng: Callable[[int, str], np.random.Generator],
        hung: Collection[int] = (),
        watched: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> ClipRead:  # fmt: skip
        """`rng(sample, stream)` gives the randomness of a sample of this epoch.

        A place that cannot be read is reported and replaced by one drawn from the whole epoch,
        with the randomness of the position: the same one in every process and in every run. Tries
        that are known to hang are not made again; each other one is made inside `watched(try)`.
        """
        drawing = rng(position, "clip")
        place = self._sampler.draw(position, drawing)
        failures: list[UnreadableVideo] = []
        while len(failures) < MOST_TRIES:
            recording = self._recordings[place.recording]
            try:
                if len(failures) in hung:
                    raise UnreadableVideo(recording.path, HUNG)
                with watched(len(failures)):
                    frames = self._decode(place)
            except UnreadableVideo as failure:
                failures.append(failure)
                other = int(drawing.integers(self._sampler.reads_per_epoch))
                place = self._sampler.draw(other, drawing)
                continue
            samples = range(position * self._copies, (position + 1) * self._copies)
            clips = [self._crop(frames, rng(sample, "crop")) for sample in samples]
            return ClipRead(torch.stack(clips), recording.path, tuple(failures))
        nothing = torch.empty(0, len(place.times), self._rows, self._columns, 3, dtype=torch.uint8)
        return ClipRead(nothing, recording.path, tuple(failures))

    def _decode(self, place: Place) -> UInt8[Tensor, "t h w c"]:
        recording = self._recordings[place.recording]
        size = decoded_size(
            self._augmentation, recording.height, recording.width, self._rows, self._columns
        )
        times, order = np.unique(place.times, return_inverse=True)
        frames = torch.from_numpy(read_frames(recording, times.tolist(), *size))
        return frames if len(times) == len(order) else frames[torch.from_numpy(order)]

    def _crop(
        self, frames: UInt8[Tensor, "t h w c"], rng: np.random.Generator
    ) -> UInt8[Tensor, "t rows columns c"]:
        augmentation, rows, columns = self._augmentation, self._rows, self._columns
        height, width = frames.shape[1:3]
        box = draw_crop(augmentation, height, width, rows, columns, rng)
        return apply_crop(frames, box, rows, columns, augmentation.flip and rng.random() < 0.5)
