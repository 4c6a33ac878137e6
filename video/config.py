"""The configuration of clip sampling and augmentation; imports nothing heavy."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

# Unknown keys and infinite numbers are refused, former names are read, and a string below a field
# is its help text.
STRICT = ConfigDict(
    extra="forbid",
    populate_by_name=True,
    loc_by_alias=False,
    use_attribute_docstrings=True,
    allow_inf_nan=False,
)
DEFAULT_FRAME_RATE = 6.25  # stride 4 at 25 frames per second, as VideoMAE samples


def former(*names: str) -> Any:
    """Marks a key that had other names, which recipes and files may still use."""
    return Field(validation_alias=AliasChoices(*names))


@dataclass(frozen=True, config=STRICT)
class Sampling:
    """How the frames of a clip are chosen: by `frame_rate` or by `stride`."""

    frame_rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames of a clip per second; 6.25 where stride is not given either."""
    stride: Annotated[int, Field(gt=0)] | None = None
    """Frames of the recording from one frame of a clip to the next."""
    seconds_per_clip: Annotated[float, Field(ge=0.001)] | None = None
    """An epoch reads one clip for each so many seconds of a recording; null: the clip's span."""
    short_videos: Annotated[Literal["error", "clamp", "loop"], former("short")] = "error"
    """Recordings shorter than a clip: leave out by name, repeat the last frame, or loop."""
    skip_segments: Annotated[tuple[Literal["black", "frozen"], ...], former("avoid")] = (
        "black",
        "frozen",
    )
    """Segments, found by `video check`, that clips never overlap."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """Seconds between a clip and a skipped segment."""
    motion_weight: Annotated[float, Field(ge=0, le=4), former("motion")] = 0.0
    """Draw clips in proportion to this power of the motion found by `video check`; 0: evenly."""

    @model_validator(mode="after")
    def _rate_or_stride(self) -> "Sampling":
        if self.frame_rate and self.stride:
            raise ValueError(
                f"frame_rate {self.frame_rate:g} and stride {self.stride} are both given; set "
                "frame_rate=null or stride=null"
            )
        return self

    @property
    def wanted_rate(self) -> float | None:
        """Frames of a clip per second; None where a stride is given."""
        return None if self.stride else self.frame_rate or DEFAULT_FRAME_RATE

    def step_seconds(self, fps: float) -> float:
        """Seconds between frames of a clip, in a recording of `fps` frames per second."""
        rate = self.wanted_rate
        return 1 / rate if rate else (self.stride or 1) / fps


@dataclass(frozen=True, config=STRICT)
class Augmentation:
    """Multi-scale crops, as in TSN and VideoMAE, and a horizontal flip."""

    scales: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        1.0,
        0.875,
        0.75,
        0.66,
    )
    """Sides of the crop as a share of the shorter side of the frame."""
    max_distort: Annotated[int, Field(ge=0)] = 1
    """How many steps in `scales` height and width may differ."""
    flip: bool = False
    """Flip every second clip horizontally."""
