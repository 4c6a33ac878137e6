"""The backbone of a recipe: a unified variant, and where its weights come from."""

from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from encoder.config import EncoderConfig, both_sides, first_error
from encoder.variants import Variant, find_variant, variant_config
from encoder.vit import VideoEncoder
from encoder.weights.adapting import Options
from encoder.weights.convert import contiguous
from encoder.weights.loading import load_found
from encoder.weights.opening import CheckpointMismatch
from encoder.weights.reading import Found, find_encoder
from encoder.weights.report import Report
from encoder.weights.told import Told
from encoder.weights.writing import require_holds, to_unified
from encoder.zoo import find_weights

AS_TRAINED = "as_trained"
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
    frames: Positive | None = _named("frames", "all_frames", "num_frames")
    image_size: Sides | None = _named("image_size", "img_size", "input_size")
    tubelet: Positive | None = _named("tubelet", "tubelet_size")
    patch: Positive | None = _named("patch", "patch_size")  # from scratch
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, validation_alias=AliasChoices("drop_path", "drop_path_rate")
    )
    layer_scale: Annotated[float, Field(ge=0)] | None = _named("layer_scale", "init_values")
    mean_pooling: bool | None = _named("mean_pooling", "use_mean_pooling")
    learned_positions: bool = Field(
        default=False, validation_alias=AliasChoices("learned_positions", "use_learnable_pos_emb")
    )
    positions: Literal["sinusoid", "sincos3d", "learned", "separable"] | None = None
    qkv_bias: bool | None = None
    qkv_divided_bias: bool | None = None
    qkv_divided: bool | None = None
    patch_embed_2d: bool | None = None
    inflation: Literal["average", "center"] = "average"  # of patches of one frame to several
    keep_norm: bool = False  # a LayerNorm of all tokens becomes that of the pooled ones
    allow: tuple[str, ...] = ()  # patterns of tensors that may stay fresh
    trained: Told = field(default_factory=Told)  # what the file does not say of itself

    @model_validator(mode="after")
    def _fits(self) -> "BackboneConfig":
        if self.variant == AS_TRAINED:
            if self.weights is None:
                raise ValueError("variant as_trained is the encoder of a file; give weights")
            return self
        row = self.row
        if self.patch_embed_2d is not None:
            tubelet = self.tubelet or row.fields["tubelet"]
            if self.patch_embed_2d and self.tubelet not in (None, 1):
                raise ValueError(f"patch_embed_2d cuts single frames, tubelet is {self.tubelet}")
            if not self.patch_embed_2d and tubelet == 1:
                raise ValueError(f"patch_embed_2d false, but {self.variant} cuts single frames")
        return self

    @property
    def row(self) -> Variant:
        return find_variant(self.variant)[1]

    @property
    def attention_form(self) -> str:
        """How upstream's files hold the attention: the flags in the order it looks at them."""
        flags = (self.qkv_divided, self.qkv_bias, self.qkv_divided_bias)
        if all(flag is None for flag in flags):
            return "q_v" if self.variant == AS_TRAINED else self.row.attention_form
        forms = zip(flags, ("split", "fused", "q_v"), strict=True)
        return next((form for flag, form in forms if flag), "plain")

    def asked(self) -> dict[str, Any]:
        """Fields of EncoderConfig that are asked for instead of the variant's."""
        tubelet = 1 if self.patch_embed_2d else self.tubelet
        given = {"frames": self.frames, "image_size": self.image_size, "tubelet": tubelet}
        changes: dict[str, Any] = {k: value for k, value in given.items() if value is not None}
        if self.layer_scale:
            changes["layer_scale"] = self.layer_scale
        if self.mean_pooling is not None:
            pooled = {True: ("mean", "pooled"), False: ("first", "tokens")}
            changes["pooling"], changes["norm"] = pooled[self.mean_pooling]
        if self.learned_positions or self.positions:
            changes["positions"] = self.positions or "learned"
            changes["trained_grid"] = None
        return {**changes, "drop_path": self.drop_path}


class Backbone(NamedTuple):
    """An encoder, and the report of the load where it has weights of a file."""

    encoder: VideoEncoder
    report: Report | None


def build_backbone(config: BackboneConfig) -> Backbone:
    """Raises CheckpointMismatch where the file cannot serve the variant; then nothing is loaded.

    Fresh parts draw from torch's own generator.
    """
    if config.weights is None:
        fresh = variant_config(config.variant, **config.asked())
        return Backbone(VideoEncoder(replace(fresh, patch=config.patch or fresh.patch)), None)
    found = _found(config)
    options = Options(config.inflation, config.keep_norm, config.allow)
    return Backbone(*load_found(found, _wanted(config, found), options))


def _found(config: BackboneConfig) -> Found:
    assert config.weights is not None
    return find_encoder(*find_weights(config.weights, config.trained))


def _wanted(config: BackboneConfig, found: Found) -> EncoderConfig:
    try:
        if config.variant == AS_TRAINED:
            return replace(found.config, **config.asked())
        return variant_config(config.variant, found.config, **config.asked())
    except ValueError as error:
        raise CheckpointMismatch(f"{found.file.path}: {first_error(error)}") from None


def write_backbone(path: Path, encoder: VideoEncoder, config: BackboneConfig) -> None:
    """A torch file as upstream's unified models read it, in the form that the flags name.

    Raises CheckpointMismatch where that form or those models cannot hold the encoder.
    """
    require_holds("unified", encoder.config)
    try:
        tensors = to_unified(encoder.state_dict(), encoder.config, config.attention_form)
    except ValueError as error:
        raise CheckpointMismatch(f"{path}: {error}; set qkv_divided_bias") from None
    aside = path.with_name(path.name + ".tmp")
    torch.save({"model": contiguous(tensors)}, aside)
    aside.replace(path)
