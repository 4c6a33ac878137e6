"""Deterministic crops of frames for evaluation; each time is decoded once."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from video.clip_reader import decode
from video.config import Augmentation
from video.field_of_view_crop import centred_crop
from video.multiscale_crop import Box, apply_crop, decoded_size
from video.recording import FieldOfView, Recording, UnreadableVideo

UNSCALED = Augmentation(scales=(1.0,), max_distort=0)
FULL_FRAME = FieldOfView("box", (0.0, 0.0, 1.0, float("inf")))


class EvalCrop(NamedTuple):
    """How frames become clips of `size`, rows and columns.

    `center`: the largest crop with the clip's proportions, centred in the field of view; or three
    crops, at both ends and in the middle of the longer side. `resize`: the whole frame, whatever
    its proportions, as in SurgVISTA's evaluation.
    """

    size: tuple[int, int]
    kind: Literal["center", "resize"] = "center"
    crops: Literal[1, 3] = 1

    def read(
        self, recording: Recording, times: Sequence[float]
    ) -> tuple[dict[float, UInt8[Tensor, "k h w c"] | None], tuple[UnreadableVideo, ...]]:
        """The crops at each time, None where a frame cannot be read, and the failures."""
        try:
            return self._read(recording, times), ()
        except UnreadableVideo:
            found: dict[float, UInt8[Tensor, "k h w c"] | None] = {}
            failures = []
            for time in times:  # the other frames may be readable
                try:
                    found |= self._read(recording, [time])
                except UnreadableVideo as failure:
                    found[time] = None
                    failures.append(failure)
            return found, tuple(failures)

    def clip(self, recording: Recording, times: Sequence[float]) -> UInt8[Tensor, "t h w c"]:
        """The first crop at `times`, in any order and with repeats. Raises UnreadableVideo."""
        found, failures = self.read(recording, sorted(set(times)))
        if failures:
            raise failures[0]
        crops = (found[time] for time in times)
        return torch.stack([crop[0] for crop in crops if crop is not None])

    def _read(
        self, recording: Recording, times: Sequence[float]
    ) -> dict[float, UInt8[Tensor, "k h w c"] | None]:
        if self.kind == "resize":
            frames = decode(recording, times, self.size)[:, None]
        else:
            scaled = decoded_size(UNSCALED, recording.height, recording.width, *self.size)
            decoded = decode(recording, times, scaled)
            boxes = self._boxes(recording, *scaled)
            cropped = [apply_crop(decoded, box, *self.size, flipped=False) for box in boxes]
            frames = torch.stack(cropped, 1)
        return dict(zip(times, frames.unbind(0), strict=True))

    def _boxes(self, recording: Recording, height: int, width: int) -> list[Box]:
        middle = centred_crop(recording.view or FULL_FRAME, height, width, *self.size)
        if self.crops == 1:
            return [middle]
        down, right = height - middle.height, width - middle.width
        return [middle._replace(top=down * i // 2, left=right * i // 2) for i in range(3)]
