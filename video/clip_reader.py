"""Reads the clips for a position of an epoch at the size of the network's input."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from video.clip_sampler import ClipLocation, ClipSampler
from video.config import Augmentation
from video.field_of_view_crop import draw_crop_inside
from video.multiscale_crop import apply_crop, decoded_size
from video.readers.random_access import read_frames
from video.recording import FieldOfView, Recording, UnreadableVideo

TIMED_OUT = "reading hung (it took longer than data.read_timeout) or crashed"
MAX_TRIES = 20  # after so many unreadable clips in a row, the disk is probably gone


class ClipRead(NamedTuple):
    """Clips cropped from one decoded interval; none if every try failed."""

    clips: UInt8[Tensor, "r t h w c"]
    inside: Bool[np.ndarray, "r rows columns"]  # cells of each that the field of view touches
    path: str
    failures: tuple[UnreadableVideo, ...]  # of the earlier tries


Location = TypeVar("Location")
TryContext = Callable[[int], AbstractContextManager[None]]


def decode(
    recording: Recording, times: Sequence[float], size: tuple[int, int]
) -> UInt8[Tensor, "t h w c"]:
    """Frames at `times`, in any order and with repeats, resized to `size`; each is decoded once."""
    once, order = np.unique(times, return_inverse=True)
    frames = torch.from_numpy(read_frames(recording, once.tolist(), *size))
    is_ascending = len(once) == len(order) and bool((np.diff(order) > 0).all())
    return frames if is_ascending else frames[torch.from_numpy(order)]


def first_readable(
    location: Location,
    draw_replacement: Callable[[], Location],
    recording_of: Callable[[Location], Recording],
    read: Callable[[Location], UInt8[Tensor, "t h w c"]],
    timed_out: Collection[int],
    around_try: TryContext,
) -> tuple[Location, UInt8[Tensor, "t h w c"] | None, tuple[UnreadableVideo, ...]]:
    """The first readable location, its frames (None after MAX_TRIES failures), and the failures.

    An unreadable location is replaced by `draw_replacement()`. Tries in `timed_out` are skipped as
    failures; each other try runs in the context `around_try(number)`.
    """
    failures: list[UnreadableVideo] = []
    while True:
        try:
            if len(failures) in timed_out:
                raise UnreadableVideo(recording_of(location).path, TIMED_OUT)
            with around_try(len(failures)):
                return location, read(location), tuple(failures)
        except UnreadableVideo as failure:
            failures.append(failure)
        if len(failures) == MAX_TRIES:
            return location, None, tuple(failures)
        location = draw_replacement()


class ClipReader:
    """Decodes the frames of a position once, and crops `clips_per_read` clips from them.

    Each clip has a grid of `cells` (rows, columns) that says where the field of view is; a crop
    with a smaller share than `min_inside` of it is replaced by a centred crop.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        sampler: ClipSampler,
        augmentation: Augmentation,
        rows: int,
        columns: int,
        clips_per_read: int,
        cells: tuple[int, int] = (1, 1),
        min_inside: float = 0.0,
    ) -> None:
        self._cells, self._min_inside = cells, min_inside
        self._recordings, self._sampler, self._augmentation = recordings, sampler, augmentation
        self._rows, self._columns, self._copies = rows, columns, clips_per_read

    def read(
        self,
        position: int,
        rng: Callable[[int, str], np.random.Generator],
        timed_out: Collection[int] = (),
        around_try: TryContext = lambda _: nullcontext(),
        out: UInt8[Tensor, "r t h w c"] | None = None,
    ) -> ClipRead:
        """`rng(sample, stream)` gives the random generator of a sample of this epoch.

        An unreadable clip is reported and replaced by another one of the epoch, drawn with the
        generator of the position, so that every rank and every run draws the same. `timed_out` and
        `around_try`: see `first_readable`. The clips are written into `out`, if given.
        """
        clip_rng = rng(position, "clip")

        def draw_replacement() -> ClipLocation:
            other = int(clip_rng.integers(self._sampler.reads_per_epoch))
            return self._sampler.draw(other, clip_rng)

        location, frames, failures = first_readable(
            self._sampler.draw(position, clip_rng),
            draw_replacement,
            self._recording,
            self._decode,
            timed_out,
            around_try,
        )
        recording = self._recording(location)
        size = (len(location.times), self._rows, self._columns, 3)
        if frames is None:
            outside = np.zeros((0, *self._cells), dtype=bool)
            no_clips = torch.empty(0, *size, dtype=torch.uint8)
            return ClipRead(no_clips, outside, recording.path, failures)
        clips = torch.empty(self._copies, *size, dtype=torch.uint8) if out is None else out
        inside = []
        for copy, clip in enumerate(clips):
            cropped, cells = self._crop(
                frames, recording.view, rng(position * self._copies + copy, "crop")
            )
            clip.copy_(cropped)
            inside.append(cells)
        return ClipRead(clips, np.stack(inside), recording.path, failures)

    def _recording(self, location: ClipLocation) -> Recording:
        return self._recordings[location.recording]

    def _decode(self, location: ClipLocation) -> UInt8[Tensor, "t h w c"]:
        recording, (rows, columns) = self._recording(location), (self._rows, self._columns)
        shape = recording.height, recording.width
        size = decoded_size(self._augmentation, *shape, rows, columns)
        return decode(recording, location.times, size)

    def _crop(
        self, frames: UInt8[Tensor, "t h w c"], view: FieldOfView | None, rng: np.random.Generator
    ) -> tuple[UInt8[Tensor, "t y x c"], Bool[np.ndarray, "rows columns"]]:
        augmentation, rows, columns = self._augmentation, self._rows, self._columns
        height, width = frames.shape[1:3]
        box, inside = draw_crop_inside(
            augmentation,
            view,
            height,
            width,
            rows,
            columns,
            self._cells,
            self._min_inside,
            rng,
        )
        flipped = bool(augmentation.flip and rng.random() < 0.5)
        clip = apply_crop(frames, box, rows, columns, flipped)
        return clip, inside[:, ::-1] if flipped else inside
