"""The configuration of the backbone and of the initial classifier."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.config import both_sides
from encoder.pos_embed_kinds import POS_EMBEDS
from encoder.table_name import NameIn
from encoder.variants import Variant, find_variant
from launch.config import STRICT, FormerValues, Positive, former

NATIVE = "native"
Sides = Annotated[tuple[Positive, Positive], BeforeValidator(both_sides)]


@dataclass(frozen=True, config=STRICT)
class BackboneConfig:
    """The encoder; null leaves a value to the variant. Names of upstream's flags are accepted.

    The flags `qkv_bias`, `qkv_divided_bias`, `qkv_divided` and `patch_embed_2d` mean what they
    mean in upstream's unified models. The first three only concern files: the encoder computes the
    same with each, and `write_backbone` writes the format that they name.
    """

    variant: Annotated[str, FormerValues({"as_trained": "native"})] = "unified_base"
    """A unified variant, or native: the encoder as the checkpoint has it."""
    weights: str | None = None
    """A file, a run folder or the name of a published model; null: random weights."""
    num_frames: Annotated[Positive | None, former("frames", "all_frames")] = None
    """Frames of a clip."""
    image_size: Annotated[Sides | None, former("img_size", "input_size")] = None
    """Rows and columns of a clip, in pixels."""
    tubelet_size: Annotated[Positive | None, former("tubelet")] = None
    """Frames of a tubelet."""
    patch_size: Annotated[Positive | None, former("patch")] = None
    """Rows and columns of a tubelet, in pixels; only without weights."""
    embed_dim: Positive | None = None
    """Width of the tokens; only without weights."""
    depth: Positive | None = None
    """Transformer blocks; only without weights."""
    num_heads: Positive | None = None
    """Attention heads; only without weights."""
    drop_path: Annotated[float, Field(ge=0, lt=1), former("drop_path_rate")] = 0.1
    """Stochastic depth of the last block; it rises linearly from 0 in the first."""
    layer_scale: Annotated[Annotated[float, Field(ge=0)] | None, former("init_values")] = None
    """Initial value of LayerScale; 0: none."""
    mean_pooling: Annotated[bool | None, former("use_mean_pooling")] = None
    """Classify the mean of the tokens instead of the first token."""
    learned_positions: Annotated[bool, former("use_learnable_pos_emb")] = False
    """Train the position embedding."""
    pos_embed: Annotated[Annotated[str, NameIn(POS_EMBEDS)] | None, former("positions")] = None
    """Position embedding."""
    qkv_bias: bool | None = None
    """Write attention with one fused weight and one fused bias, as SurgVISTA's flag."""
    qkv_divided_bias: bool | None = None
    """Write attention with a bias of query and of value, as SurgVISTA's flag."""
    qkv_divided: bool | None = None
    """Write attention with separate query, key and value, as SurgVISTA's flag."""
    patch_embed_2d: bool | None = None
    """Embed single frames, as an image model does."""
    inflation: Literal["average", "center"] = "average"
    """How 2-D patch kernels become 3-D."""
    keep_norm: bool = False
    """Use the last LayerNorm of the tokens for the pooled feature instead of a new one."""
    allow_missing: Annotated[tuple[str, ...], former("allow")] = ()
    """Patterns of tensors that may stay random or be left out, such as blocks.11.*"""
    overrides: Annotated[CheckpointOverrides, former("trained")] = field(
        default_factory=CheckpointOverrides
    )
    """Facts that the checkpoint does not record."""

    @model_validator(mode="after")
    def _fits(self) -> "BackboneConfig":
        if self.learned_positions and self.pos_embed not in (None, "learned"):
            raise ValueError(
                f"learned_positions trains a learned pos_embed, and pos_embed is {self.pos_embed}; "
                "set backbone.learned_positions=false or backbone.pos_embed=null"
            )
        if self.weights is not None and self.custom_sizes():
            names = ", ".join(f"{name} {value}" for name, value in self.custom_sizes().items())
            cures = " and ".join(f"{name}=null" for name in self.custom_sizes())
            raise ValueError(
                f"{names} and weights {self.weights} are both given, and sizes are those of the "
                f"weights; set {cures}, or weights=null"
            )
        if self.variant == NATIVE:
            if self.weights is None:
                raise ValueError("variant native is the encoder of a checkpoint; give weights")
            return self
        row = self.row
        if self.patch_embed_2d is not None:
            tubelet = self.tubelet_size or row.fields["tubelet_size"]
            if self.patch_embed_2d and self.tubelet_size not in (None, 1):
                raise ValueError(
                    f"patch_embed_2d embeds single frames, tubelet_size is {self.tubelet_size}"
                )
            if not self.patch_embed_2d and tubelet == 1:
                raise ValueError(f"patch_embed_2d false, but {self.variant} embeds single frames")
        return self

    def custom_sizes(self) -> dict[str, Any]:
        """Sizes that replace the variant's, of an encoder with random weights."""
        names = ("patch_size", "embed_dim", "depth", "num_heads")
        sizes = {name: getattr(self, name) for name in names}
        return {name: value for name, value in sizes.items() if value is not None}

    @property
    def row(self) -> Variant:
        return find_variant(self.variant)[1]

    @property
    def attention_form(self) -> str:
        """How upstream's files store the attention; the flags in upstream's order of precedence."""
        flags = (self.qkv_divided, self.qkv_bias, self.qkv_divided_bias)
        if all(flag is None for flag in flags):
            return "q_v" if self.variant == NATIVE else self.row.attention_form
        forms = zip(flags, ("split", "fused", "q_v"), strict=True)
        return next((form for flag, form in forms if flag), "plain")

    def encoder_overrides(self) -> dict[str, Any]:
        """Fields of EncoderConfig that replace the variant's."""
        tubelet = 1 if self.patch_embed_2d else self.tubelet_size
        sizes = {
            "num_frames": self.num_frames,
            "image_size": self.image_size,
            "tubelet_size": tubelet,
        }
        changes: dict[str, Any] = {k: value for k, value in sizes.items() if value is not None}
        if self.layer_scale:
            changes["layer_scale"] = self.layer_scale
        if self.mean_pooling is not None:
            pooled = {True: ("mean", "pooled"), False: ("first", "tokens")}
            changes["pooling"], changes["norm"] = pooled[self.mean_pooling]
        if self.learned_positions or self.pos_embed:
            changes["pos_embed"] = self.pos_embed or "learned"
            changes["trained_grid"] = None
        return {**changes, "drop_path": self.drop_path}


@dataclass(frozen=True, config=STRICT)
class HeadInitConfig:
    """Initial classifier: random, or rows of the classifier in the checkpoint."""

    rows: Path | None = None
    """A JSON list: for each class, the row of the checkpoint's classifier."""
    label_space: Annotated[Path | None, former("space")] = None
    """A merged label space; rows are matched by class name."""
    dataset: Annotated[str | None, former("set")] = None
    """The data set of the label space that the classes belong to."""
    allow_fresh: bool = False
    """Accept classes that the checkpoint does not have; their rows stay random."""

    @property
    def from_file(self) -> bool:
        return self.rows is not None or self.label_space is not None

    @model_validator(mode="after")
    def _one_way(self) -> "HeadInitConfig":
        if self.rows and self.label_space:
            raise ValueError(
                "rows and label_space are both given; set rows=null or label_space=null"
            )
        return self
