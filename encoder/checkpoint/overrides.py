"""What a user tells of a file that neither its names nor its shapes can say."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from encoder.config import both_sides

Positive = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CheckpointOverrides:
    """Facts about how the weights in a file were trained; None leaves them to its family."""

    num_heads: Positive | None = None
    num_frames: Positive | None = None  # of the clips
    image_size: Annotated[tuple[Positive, Positive], BeforeValidator(both_sides)] | None = None
    normalisation: Literal["imagenet", "half", "clip", "kinetics"] | None = None
    activation: Literal["gelu", "quick_gelu"] | None = None
    norm_eps: Annotated[float, Field(gt=0)] | None = None
    pos_embed: Literal["sinusoid", "sincos3d"] | None = None  # of a file that stores none

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}
