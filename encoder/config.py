"""The configuration of an encoder: its size, and the geometry of its input."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from encoder.pos_embed_kinds import POS_EMBEDS
from encoder.table_name import NameIn

# VideoMAE V2 (Wang et al., CVPR 2023), appendix: tables of architectures.
ENCODER_SIZES: dict[str, dict[str, int | float]] = {
    "small": {"embed_dim": 384, "depth": 12, "num_heads": 6, "mlp_ratio": 4, "patch_size": 16},
    "base": {"embed_dim": 768, "depth": 12, "num_heads": 12, "mlp_ratio": 4, "patch_size": 16},
    "large": {"embed_dim": 1024, "depth": 24, "num_heads": 16, "mlp_ratio": 4, "patch_size": 16},
    "huge": {"embed_dim": 1280, "depth": 32, "num_heads": 16, "mlp_ratio": 4, "patch_size": 16},
    "giant": {
        "embed_dim": 1408,
        "depth": 40,
        "num_heads": 16,
        "mlp_ratio": 48 / 11,
        "patch_size": 14,
    },
}
Size = Literal["small", "base", "large", "huge", "giant", "custom"]

Grid = tuple[int, int, int]
"""Tokens of a clip: (frames, rows, columns)."""
Tubelet = tuple[int, int, int]
"""Pixels of a token: (frames, rows, columns)."""


def fill_from_size(values: Any, sizes: dict[str, dict[str, int | float]], fields: set[str]) -> Any:
    """Adds the numbers of a named size to a mapping of fields.

    Raises ValueError where a given number differs from the size's: a resolved recipe whose `size`
    is overridden on the command line must not keep the old width silently.
    """
    given = dict(values.kwargs or {}) if isinstance(values, ArgsKwargs) else values
    if not isinstance(given, dict) or given.get("size", "custom") not in sizes:
        return values
    size = given["size"]
    for field, number in sizes[size].items():
        if field not in fields:
            continue
        if field in given and given[field] != number:
            raise ValueError(
                f"{field} {given[field]} differs from that of size {size} ({number:g}); "
                f"remove {field}, or set size: custom"
            )
        given = {**given, field: number}
    return ArgsKwargs((), given) if isinstance(values, ArgsKwargs) else given


def require_whole_heads(embed_dim: int, num_heads: int) -> None:
    """Raises ValueError where the heads do not divide the width."""
    if embed_dim % num_heads:
        raise ValueError(
            f"num_heads {num_heads} does not divide embed_dim {embed_dim}; "
            f"choose a divisor of {embed_dim}"
        )


def first_error(error: ValueError) -> str:
    """The first error in one line, as `field: message`."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return (f"{field}: " if field else "") + first["msg"].removeprefix("Value error, ")


def both_sides(value: Any) -> Any:
    """One number stands for rows and columns."""
    return (value, value) if isinstance(value, int) else value


def _triple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


# Unknown keys and infinite numbers are refused, former names are read, and a string below a field
# is its help text.
STRICT = ConfigDict(
    extra="forbid",
    populate_by_name=True,
    loc_by_alias=False,
    use_attribute_docstrings=True,
    allow_inf_nan=False,
)
Positive = Annotated[int, Field(gt=0, le=10**12)]


def former(*names: str) -> Any:
    """Marks a key that had other names, which recipes and files may still use."""
    return Field(validation_alias=AliasChoices(*names))


@dataclass(frozen=True, config=STRICT)
class EncoderConfig:
    """A vision transformer and the geometry of its clips.

    The defaults are those of VideoMAE. The fields from `pos_embed` on differ between published
    encoders; a checkpoint sets them to the values of its family.
    """

    size: Size = "custom"
    """Fills embed_dim, depth, num_heads, mlp_ratio and patch_size where they are not given."""
    embed_dim: Positive = 768
    """Width of the tokens."""
    depth: Annotated[int, Field(gt=0, le=1000)] = 12
    """Transformer blocks."""
    num_heads: Positive = 12
    """Attention heads."""
    mlp_ratio: Annotated[float, Field(gt=0)] = 4.0
    """Width of the MLP's hidden layer as a multiple of embed_dim."""
    patch_size: Annotated[Positive, former("patch")] = 16
    """Rows and columns of a tubelet, in pixels."""
    tubelet_size: Annotated[Positive, former("tubelet")] = 2
    """Frames of a tubelet."""
    num_frames: Annotated[Positive, former("frames")] = 16
    """Frames of a clip."""
    image_size: Annotated[tuple[Positive, Positive], BeforeValidator(both_sides)] = (224, 224)
    """Rows and columns of a clip, in pixels; one number for both."""
    channels: Positive = 3
    """Colour channels."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean of the pixels, in 0..1, that the input is normalised with."""
    std: tuple[Annotated[float, Field(gt=0)], ...] = (0.229, 0.224, 0.225)
    """Standard deviation of the pixels that the input is normalised with."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Stochastic depth of the last block; it rises linearly from 0 in the first."""
    pos_embed: Annotated[str, NameIn(POS_EMBEDS), former("positions")] = "sinusoid"
    """Position embedding: 1-D sinusoid over the flat index, 3-D sin-cos, learned, or learned
    separately for space and time."""
    trained_grid: (
        Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_triple)] | None
    ) = None
    """Token grid that computed position embeddings are interpolated from; null: this grid."""
    class_token: bool = False
    """Prepend a class token."""
    pre_norm: bool = False
    """LayerNorm before the first block, as CLIP has it."""
    attention: Literal["joint", "divided"] = "joint"
    """divided: attention over time, then over space (TimeSformer)."""
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    """Activation of the MLP; quick_gelu is OpenAI CLIP's."""
    norm_eps: Annotated[float, Field(gt=0)] = 1e-6
    """Epsilon of every LayerNorm."""
    layer_scale: Annotated[float, Field(gt=0)] | None = None
    """Initial value of LayerScale; null: none."""
    norm: Literal["tokens", "pooled"] = "tokens"
    """What the last LayerNorm normalises: every token, or the pooled feature."""
    pooling: Literal["mean", "first"] = "mean"
    """mean of the tokens, or the first: the class token, or the first patch without one."""

    @model_validator(mode="before")
    @classmethod
    def _size(cls, values: Any) -> Any:
        fields = {"embed_dim", "depth", "num_heads", "mlp_ratio", "patch_size"}
        return fill_from_size(values, ENCODER_SIZES, fields)

    @model_validator(mode="after")
    def _fits(self) -> "EncoderConfig":
        require_whole_heads(self.embed_dim, self.num_heads)
        for side, name in zip(self.image_size, ("rows", "columns"), strict=True):
            if side % self.patch_size:
                below = side // self.patch_size * self.patch_size
                raise ValueError(
                    f"image_size {side} ({name}) is not divisible by patch_size {self.patch_size}; "
                    f"use {below or self.patch_size} or {below + self.patch_size}"
                )
        frames, size = self.num_frames, self.tubelet_size
        if frames % size:
            raise ValueError(
                f"num_frames {frames} is not divisible by tubelet_size {size}; "
                f"use {frames // size * size or size}"
            )
        divisor = POS_EMBEDS[self.pos_embed].divisor
        if self.embed_dim % divisor:
            raise ValueError(
                f"embed_dim {self.embed_dim} is not divisible by {divisor}, which pos_embed "
                f"{self.pos_embed} needs"
            )
        if self.trained_grid and self.positions_learned:
            raise ValueError(
                f"trained_grid is for computed position embeddings, not for {self.pos_embed} ones; "
                "remove it"
            )
        for name in ("mean", "std"):
            if len(getattr(self, name)) != self.channels:
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} numbers, channels is {self.channels}; "
                    "give one number a channel"
                )
        return self

    @property
    def grid(self) -> Grid:
        rows, columns = self.image_size
        return (
            self.num_frames // self.tubelet_size,
            rows // self.patch_size,
            columns // self.patch_size,
        )

    @property
    def tokens(self) -> int:
        frames, rows, columns = self.grid
        return frames * rows * columns

    @property
    def tubelet_shape(self) -> Tubelet:
        return self.tubelet_size, self.patch_size, self.patch_size

    @property
    def tubelet_values(self) -> int:
        """Pixel values of one tubelet, all channels: the axis `p`."""
        return self.tubelet_size * self.patch_size * self.patch_size * self.channels

    @property
    def positions_learned(self) -> bool:
        return POS_EMBEDS[self.pos_embed].learned

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for a file's metadata."""
        return asdict(self)
