"""Which frames of a labelled clip are read, in training and in each view of a test."""

from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from finetune.data.interval import Interval
from launch.config import STRICT


@dataclass(frozen=True, config=STRICT)
class ClipSampling:
    """Frames of a labelled clip. A clip that is too short repeats its last frame.

    `dense`: frames at a fixed rate or stride from a random start; test views are spread evenly
    from the beginning to the end. `sparse`: the clip is divided into equal parts with one frame
    each, random in training, central in a single test view (TSN: Wang et al., ECCV 2016).
    `uniform`: every (n // frames)-th of the clip's n frames, without randomness, as SurgVISTA's
    clip tasks.

    With `segments` above 1 (dense only), the clip is divided into that many equal parts, each
    gives its own frames, and the head receives all of them, as the head `tsn` requires.
    """

    kind: Literal["dense", "sparse", "uniform"] = "dense"
    """dense: consecutive frames; sparse: one frame of each equal part; uniform: a fixed step."""
    frame_rate: Annotated[float, Field(gt=0)] | None = None
    """Frames per second of dense sampling."""
    stride: Annotated[int, Field(gt=0)] | None = None
    """Frames of the recording between two frames of dense sampling; 4 if neither is given."""
    segments: Annotated[int, Field(gt=0)] = 1
    """Segments that the head sees together, each with its own frames."""

    @model_validator(mode="after")
    def _require_settings_of_kind(self) -> "ClipSampling":
        if self.frame_rate and self.stride:
            raise ValueError(
                f"frame_rate {self.frame_rate:g} and stride {self.stride} are both given; set "
                "frame_rate=null or stride=null"
            )
        if self.kind != "dense" and (self.frame_rate or self.stride or self.segments > 1):
            given = {"frame_rate": self.frame_rate, "stride": self.stride}
            names = [name for name, value in given.items() if value]
            cures = [*(f"{name}=null" for name in names), *["segments=1"] * (self.segments > 1)]
            raise ValueError(
                f"kind {self.kind} has no frame_rate, stride or segments; set "
                f"{' and '.join(cures)}, or kind=dense"
            )
        return self

    def training_times(
        self, interval: Interval, frames: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "s t"]:
        """Seconds, ascending in each segment."""
        if self.kind == "uniform":
            return self._uniform_times(interval, frames)
        if self.kind == "sparse":
            parts = np.arange(frames) + rng.random(frames)
            return interval.times(parts * interval.frames / frames)[None]
        ranges = [self._start_range(interval, frames, i) for i in range(self.segments)]
        starts = np.array([low + rng.random() * (high - low) for low, high in ranges])
        return self._dense_times(interval, frames, starts)

    def test_times(self, interval: Interval, frames: int, views: int) -> Float[np.ndarray, "v s t"]:
        """Seconds of each view, without randomness; `uniform` has one view."""
        if self.kind == "uniform":
            return self._uniform_times(interval, frames)[None]
        if self.kind == "sparse":
            shares = (np.arange(views) + 0.5)[:, None] / views
            return interval.times((np.arange(frames) + shares) * interval.frames / frames)[:, None]
        ranges = [self._start_range(interval, frames, i) for i in range(self.segments)]
        positions: list[float] = [0.5] if views == 1 else np.linspace(0, 1, views).tolist()
        starts = [np.array([low + at * (high - low) for low, high in ranges]) for at in positions]
        return np.stack([self._dense_times(interval, frames, each) for each in starts])

    def _step(self, interval: Interval) -> float:
        """Frames of the recording from one frame of the clip to the next."""
        return interval.fps / self.frame_rate if self.frame_rate else float(self.stride or 4)

    def _start_range(self, interval: Interval, frames: int, segment: int) -> tuple[float, float]:
        """The first and the last start frame with which all frames lie within the segment."""
        low = segment * interval.frames / self.segments
        span = (frames - 1) * self._step(interval) + 1
        return low, max(low, (segment + 1) * interval.frames / self.segments - span)

    def _dense_times(
        self, interval: Interval, frames: int, starts: Float[np.ndarray, " s"]
    ) -> Float[np.ndarray, "s t"]:
        indices = np.floor(starts)[:, None] + np.arange(frames) * self._step(interval)
        return interval.times(indices)

    @staticmethod
    def _uniform_times(interval: Interval, frames: int) -> Float[np.ndarray, "1 t"]:
        step = max(1, interval.frames // frames)
        return interval.times((np.arange(frames) * step).astype(float))[None]
