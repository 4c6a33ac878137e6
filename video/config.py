"""How recordings become clips; nothing heavy is imported here."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
DEFAULT_FRAME_RATE = 6.25  # stride 4 at 25 frames a second, as the forerunners sample


@dataclass(frozen=True, config=STRICT)
class Sampling:
    """Frames of a clip: so many a second (`frame_rate`), or every so many-th (`stride`)."""

    frame_rate: Annotated[float, Field(gt=0)] | None = None  # 6.25 where neither is given
    stride: Annotated[int, Field(gt=0)] | None = None
    # an epoch reads each so many seconds of a recording once; None: the time span of a clip
    seconds_per_clip: Annotated[float, Field(gt=0)] | None = None
    # a recording shorter than a clip is left out by name, or its last frame stays, or it repeats
    short_videos: Literal["error", "clamp", "loop"] = "error"
    skip_segments: tuple[Literal["black", "frozen"], ...] = ("black", "frozen")  # where `check` found them
    margin: Annotated[float, Field(ge=0)] = 0.0  # seconds between a clip and what it avoids
    # clips are drawn in proportion to this power of the motion that `check` found; 0: evenly
    motion_weight: Annotated[float, Field(ge=0, le=4)] = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> "Sampling":
        if self.frame_rate and self.stride:
            raise ValueError("frame_rate and stride are both given; drop one")
        return self

    @property
    def wanted_rate(self) -> float | None:
        """Frames of a clip a second; None where a stride in frames is given."""
        return None if self.stride else self.frame_rate or DEFAULT_FRAME_RATE

    def step_seconds(self, fps: float) -> float:
        """Time between two frames of a clip, in a recording of `fps` frames a second."""
        rate = self.wanted_rate
        return 1 / rate if rate else (self.stride or 1) / fps


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """Multi-scale crops, as TSN's and VideoMAE's, and a mirror."""

    scales: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.875, 0.75, 0.66)
    max_distort: Annotated[int, Field(ge=0)] = 1  # steps in `scales` between height and width
    flip: bool = False  # left to right, every second clip
