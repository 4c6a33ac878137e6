"""Which frames a labelled clip is judged by: in training, and in each of its views in a test."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from launch.config import STRICT


class Interval(NamedTuple):
    """What a label is of: a moment of a recording, or a part of it. Seconds from its time 0."""

    begin: float
    end: float | None  # behind the last frame; None: a moment
    fps: float
    last: float  # time of the recording's last frame

    @property
    def frames(self) -> int:
        """Number of frames of a part; it is never empty."""
        until = self.last + 1 / self.fps if self.end is None else self.end
        return max(1, int((min(until, self.last + 1 / self.fps) - self.begin) * self.fps + 0.5))

    def at(self, indices: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Times of frames counted from the beginning; behind the end the last frame stays."""
        held = np.clip(np.floor(indices), 0, self.frames - 1)
        return np.minimum(self.begin + held / self.fps, self.last)


@dataclass(frozen=True, config=STRICT)
class ClipSampling:
    """Frames of a labelled clip.

    `dense`: so many a second, or every `stride`-th, from a place that is drawn; the views of a test
    lie evenly from beginning to end. `sparse`: one of each of equal parts, drawn in training, in
    the middle for a single view (TSN: Wang et al., 2016). `uniform`: always the same, every
    (frames // wanted)-th from the first, as SurgVISTA's clip tasks. `segments` of `dense` clips are
    judged together, as by the head `tsn`, each drawn from its part. What is shorter repeats its
    last frame.
    """

    kind: Literal["dense", "sparse", "uniform"] = "dense"
    """dense: consecutive frames; sparse: one frame of each equal part; uniform: a fixed step."""
    frame_rate: Annotated[float, Field(gt=0)] | None = None
    """Frames per second of dense sampling."""
    stride: Annotated[int, Field(gt=0)] | None = None
    """Frames of the recording between two frames of dense sampling; 4 where neither is given."""
    segments: Annotated[int, Field(gt=0)] = 1
    """Segments that the head sees together, each with its own frames."""

    @model_validator(mode="after")
    def _fits(self) -> "ClipSampling":
        if self.frame_rate and self.stride:
            raise ValueError("frame_rate and stride are both given; drop one")
        if self.kind != "dense" and (self.frame_rate or self.stride or self.segments > 1):
            raise ValueError(f"{self.kind} has no frame_rate, stride or segments; drop them")
        return self

    def training_times(
        self, stretch: Interval, frames: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "s t"]:
        """Seconds, ascending in each segment."""
        if self.kind == "uniform":
            return self._uniform(stretch, frames)
        if self.kind == "sparse":
            parts = np.arange(frames) + rng.random(frames)
            return stretch.at(parts * stretch.frames / frames)[None]
        rooms = [self._room(stretch, frames, part) for part in range(self.segments)]
        firsts = np.array([low + rng.random() * (high - low) for low, high in rooms])
        return self._dense(stretch, frames, firsts)

    def test_times(self, stretch: Interval, frames: int, views: int) -> Float[np.ndarray, "v s t"]:
        """The same every time; `views` views, each of all segments."""
        if self.kind == "uniform":
            return self._uniform(stretch, frames)[None]
        if self.kind == "sparse":
            shares = (np.arange(views) + 0.5)[:, None] / views
            return stretch.at((np.arange(frames) + shares) * stretch.frames / frames)[:, None]
        rooms = [self._room(stretch, frames, part) for part in range(self.segments)]
        middles: list[float] = [0.5] if views == 1 else np.linspace(0, 1, views).tolist()
        firsts = [np.array([low + at * (high - low) for low, high in rooms]) for at in middles]
        return np.stack([self._dense(stretch, frames, first) for first in firsts])

    def _step(self, stretch: Interval) -> float:
        """Frames of the recording between two of the clip."""
        return stretch.fps / self.frame_rate if self.frame_rate else float(self.stride or 4)

    def _room(self, stretch: Interval, frames: int, part: int) -> tuple[float, float]:
        """First frames from the earliest to the latest of which a clip lies within a part."""
        low = part * stretch.frames / self.segments
        span = (frames - 1) * self._step(stretch) + 1
        return low, max(low, (part + 1) * stretch.frames / self.segments - span)

    def _dense(
        self, stretch: Interval, frames: int, firsts: Float[np.ndarray, " s"]
    ) -> Float[np.ndarray, "s t"]:
        return stretch.at(np.floor(firsts)[:, None] + np.arange(frames) * self._step(stretch))

    @staticmethod
    def _uniform(stretch: Interval, frames: int) -> Float[np.ndarray, "1 t"]:
        interval = max(1, stretch.frames // frames)
        return stretch.at((np.arange(frames) * interval).astype(float))[None]
