"""Facts about a checkpoint that neither its names nor its shapes can say, given by the user."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from encoder.config import STRICT, both_sides, former

Positive = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, config=STRICT)
class CheckpointOverrides:
    """How the weights of a checkpoint were trained; null leaves a value to its family."""

    num_heads: Positive | None = None
    """Attention heads."""
    num_frames: Annotated[Positive | None, former("frames")] = None
    """Frames of the clips."""
    image_size: Annotated[tuple[Positive, Positive], BeforeValidator(both_sides)] | None = None
    """Rows and columns of the clips, in pixels."""
    normalisation: Literal["imagenet", "half", "clip", "kinetics"] | None = None
    """Mean and standard deviation of the pixels."""
    activation: Literal["gelu", "quick_gelu"] | None = None
    """Activation of the MLP."""
    norm_eps: Annotated[float, Field(gt=0)] | None = None
    """Epsilon of every LayerNorm."""
    pos_embed: Annotated[Literal["sinusoid", "sincos3d"] | None, former("positions")] = None
    """Position embedding of a checkpoint that stores none."""

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}
