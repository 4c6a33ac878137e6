"""Facts about a checkpoint that neither its tensor names nor its shapes give."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from encoder.config import STRICT, both_sides, former
from encoder.normalisation import NORMALISATIONS
from encoder.pos_embed_kinds import POS_EMBEDS
from encoder.table_name import NameIn

Positive = Annotated[int, Field(gt=0)]
COMPUTED_POSITIONS = NameIn(POS_EMBEDS, where=lambda row: not row.learned)


@dataclass(frozen=True, config=STRICT)
class CheckpointOverrides:
    """How the weights of a checkpoint were trained; null leaves a value to its family."""

    num_heads: Positive | None = None
    """Attention heads."""
    num_frames: Annotated[Positive | None, former("frames")] = None
    """Frames of the clips."""
    image_size: Annotated[tuple[Positive, Positive], BeforeValidator(both_sides)] | None = None
    """Rows and columns of the clips, in pixels."""
    normalisation: Annotated[str, NameIn(NORMALISATIONS)] | None = None
    """Mean and standard deviation of the pixels."""
    activation: Literal["gelu", "quick_gelu"] | None = None
    """Activation of the MLP."""
    norm_eps: Annotated[float, Field(gt=0)] | None = None
    """Epsilon of every LayerNorm."""
    pos_embed: Annotated[Annotated[str, COMPUTED_POSITIONS] | None, former("positions")] = None
    """Position embedding of a checkpoint that stores none."""

    def given(self) -> dict[str, Any]:
        """The fields that are not null."""
        return {name: value for name, value in vars(self).items() if value is not None}
