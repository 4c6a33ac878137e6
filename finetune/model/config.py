"""What is trained and against what: backbone, head and loss; nothing heavy is imported here."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.config import both_sides
from encoder.variants import Variant, find_variant

STRICT = ConfigDict(extra="forbid")
NATIVE = "as_trained"
Positive = Annotated[int, Field(gt=0)]
Sides = Annotated[tuple[Positive, Positive], BeforeValidator(both_sides)]


def _named(*names: str) -> Any:
    """A field that upstream's configurations call by other names."""
    return Field(default=None, validation_alias=AliasChoices(*names))


@dataclass(frozen=True, config=ConfigDict(extra="forbid", populate_by_name=True))
class BackboneConfig:
    """An encoder for finetuning; None leaves a value to the variant.

    The flags `qkv_bias`, `qkv_divided_bias`, `qkv_divided` and `patch_embed_2d` mean what they
    mean in upstream's unified models. The first three are a matter of files alone: the encoder
    computes the same with each, and `write_backbone` writes in the form that they name.
    """

    variant: str = "unified_base"  # or as_trained: the encoder that the file holds, unchanged
    weights: str | None = None  # a file, a folder, a published model's name; None: from scratch
    num_frames: Positive | None = _named("frames", "all_frames", "num_frames")
    image_size: Sides | None = _named("image_size", "img_size", "input_size")
    tubelet_size: Positive | None = _named("tubelet", "tubelet_size")
    patch_size: Positive | None = _named("patch", "patch_size")  # this and the next three: from scratch
    embed_dim: Positive | None = None
    depth: Positive | None = None
    num_heads: Positive | None = None
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, validation_alias=AliasChoices("drop_path", "drop_path_rate")
    )
    layer_scale: Annotated[float, Field(ge=0)] | None = _named("layer_scale", "init_values")
    mean_pooling: bool | None = _named("mean_pooling", "use_mean_pooling")
    learned_positions: bool = Field(
        default=False, validation_alias=AliasChoices("learned_positions", "use_learnable_pos_emb")
    )
    pos_embed: Literal["sinusoid", "sincos3d", "learned", "separable"] | None = None
    qkv_bias: bool | None = None
    qkv_divided_bias: bool | None = None
    qkv_divided: bool | None = None
    patch_embed_2d: bool | None = None
    inflation: Literal["average", "center"] = "average"  # of patches of one frame to several
    keep_norm: bool = False  # a LayerNorm of all tokens becomes that of the pooled ones
    allow_missing: tuple[str, ...] = ()  # patterns of tensors that may stay fresh
    overrides: CheckpointOverrides = field(
        default_factory=CheckpointOverrides
    )  # what the file does not say of itself

    @model_validator(mode="after")
    def _fits(self) -> "BackboneConfig":
        if self.weights is not None and self.custom():
            raise ValueError(f"{', '.join(self.custom())}: the file has them; drop them")
        if self.variant == NATIVE:
            if self.weights is None:
                raise ValueError("variant as_trained is the encoder of a file; give weights")
            return self
        row = self.row
        if self.patch_embed_2d is not None:
            tubelet = self.tubelet_size or row.fields["tubelet"]
            if self.patch_embed_2d and self.tubelet_size not in (None, 1):
                raise ValueError(f"patch_embed_2d cuts single frames, tubelet is {self.tubelet_size}")
            if not self.patch_embed_2d and tubelet == 1:
                raise ValueError(f"patch_embed_2d false, but {self.variant} cuts single frames")
        return self

    def custom(self) -> dict[str, Any]:
        """Sizes that are asked for instead of the variant's, of an encoder from scratch."""
        sizes = {name: getattr(self, name) for name in ("patch", "embed_dim", "depth", "num_heads")}
        return {name: value for name, value in sizes.items() if value is not None}

    @property
    def row(self) -> Variant:
        return find_variant(self.variant)[1]

    @property
    def attention_form(self) -> str:
        """How upstream's files hold the attention: the flags in the order it looks at them."""
        flags = (self.qkv_divided, self.qkv_bias, self.qkv_divided_bias)
        if all(flag is None for flag in flags):
            return "q_v" if self.variant == NATIVE else self.row.attention_form
        forms = zip(flags, ("split", "fused", "q_v"), strict=True)
        return next((form for flag, form in forms if flag), "plain")

    def asked(self) -> dict[str, Any]:
        """Fields of EncoderConfig that are asked for instead of the variant's."""
        tubelet = 1 if self.patch_embed_2d else self.tubelet_size
        given = {"frames": self.num_frames, "image_size": self.image_size, "tubelet": tubelet}
        changes: dict[str, Any] = {k: value for k, value in given.items() if value is not None}
        if self.layer_scale:
            changes["layer_scale"] = self.layer_scale
        if self.mean_pooling is not None:
            pooled = {True: ("mean", "pooled"), False: ("first", "tokens")}
            changes["pooling"], changes["norm"] = pooled[self.mean_pooling]
        if self.learned_positions or self.pos_embed:
            changes["positions"] = self.pos_embed or "learned"
            changes["trained_grid"] = None
        return {**changes, "drop_path": self.drop_path}


HeadKind = Literal["linear", "timesformer", "i3d", "tsn", "attentive"]
SEGMENTED = ("tsn",)  # heads that judge several segments of a clip together


@dataclass(frozen=True, config=STRICT)
class HeadConfig:
    """Which head, and how it starts; None leaves a value to the row of HEADS."""

    kind: HeadKind = "linear"
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    init_scale: Annotated[float, Field(ge=0)] = 0.001  # of the classifier's first weights
    num_heads: Annotated[int, Field(gt=0)] | None = None  # of attentive pooling; the encoder's


@dataclass(frozen=True, config=STRICT)
class HeadInitConfig:
    """Where the classifier's matrix begins: fresh, or as rows of the one in the weights' file."""

    rows: Path | None = None  # a JSON list: the file's row for each class
    label_space: Path | None = None  # a merged label space, whose names say the rows
    dataset: str | None = None  # the set of the space that the classes are of
    allow_fresh: bool = False  # classes that the file does not know

    @property
    def from_file(self) -> bool:
        return self.rows is not None or self.label_space is not None

    @model_validator(mode="after")
    def _one_way(self) -> "HeadInitConfig":
        if self.rows and self.label_space:
            raise ValueError("rows and space are both given; drop one")
        return self


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """The loss; `weights` counters classes of unequal number."""

    kind: Literal["cross_entropy", "binary"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # inverse: 1 / number; balanced: effective numbers (Cui et al., CVPR 2019); or one a class
    weights: Literal["none", "inverse", "balanced"] | tuple[float, ...] = "none"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999  # of balanced weights
