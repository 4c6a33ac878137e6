"""The unified backbone variants, a row each; every variant exists at every size."""

from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

from encoder.config import ENCODER_SIZES, EncoderConfig

IMAGE_SIDE = 224  # default rows and columns of a clip, in pixels


class Variant(NamedTuple):
    """How the encoders of one row differ from VideoMAE's."""

    description: str
    frames: int  # of a clip, by default
    fields: dict[str, Any]  # of EncoderConfig
    attention_form: str = "q_v"  # a row of QKV_FORMATS: how SurgVISTA's program stores attention
    image: bool = False  # whether SurgVISTA's program loads image models into it


VARIANTS: dict[str, Variant] = {
    "unified_{}": Variant(
        "tubelets of 2 frames, 1-D sinusoid positions, mean pooling",
        16,
        {"tubelet_size": 2, "pos_embed": "sinusoid", "norm": "pooled"},
    ),
    "unified_{}_st": Variant(
        "tubelets of 2 frames, 3-D sin-cos positions, mean pooling (MVD, SurgVISTA)",
        16,
        {"tubelet_size": 2, "pos_embed": "sincos3d", "norm": "pooled"},
    ),
    "unified_{}_2D": Variant(
        "patches of single frames, 1-D sinusoid positions, mean pooling",
        8,
        {"tubelet_size": 1, "pos_embed": "sinusoid", "norm": "pooled"},
        "fused",
        image=True,
    ),
    "unified_{}_2D_3D": Variant(
        "tubelets of 2 frames, inflated from an image model's patches",
        16,
        {"tubelet_size": 2, "pos_embed": "sinusoid", "norm": "pooled"},
        "fused",
        image=True,
    ),
    "unified_{}_image": Variant(
        "patches of single frames, learned positions, class token",
        8,
        {
            "tubelet_size": 1,
            "pos_embed": "separable",
            "class_token": True,
            "norm": "tokens",
            "pooling": "first",
        },
        "fused",
        image=True,
    ),
    "timesformer_{}": Variant(
        "patches of single frames, learned positions, class token, divided attention",
        8,
        {
            "tubelet_size": 1,
            "pos_embed": "separable",
            "class_token": True,
            "norm": "tokens",
            "pooling": "first",
            "attention": "divided",
        },
        "fused",
        image=True,
    ),
}
ALIASES: dict[str, str] = {"unifiedmodel_cls": "unified_base_image"}


def variant_names() -> dict[str, tuple[str, str]]:
    """Every variant's name with its size and its row of `VARIANTS`."""
    return {row.format(size): (size, row) for row in VARIANTS for size in ENCODER_SIZES}


class WrongSize(ValueError):
    """A variant has another size than the encoder whose weights it would take."""


def find_variant(name: str) -> tuple[str, Variant]:
    """Size and row of a name such as `unified_base_st`; raises ValueError with the nearest ones."""
    name = ALIASES.get(name, name)
    names = variant_names()
    if name not in names:
        near = get_close_matches(name, [*names, *ALIASES], n=3)
        raise ValueError(
            f"unknown variant {name!r}; "
            + (f"nearest: {', '.join(near)}" if near else f"choose one of {', '.join(VARIANTS)}")
        )
    size, row = names[name]
    return size, VARIANTS[row]


def variant_config(
    name: str, trained: EncoderConfig | None = None, **changes: Any
) -> EncoderConfig:
    """A variant's configuration, with some fields changed.

    `trained`: the encoder whose weights will be loaded; patch size, pre-norm, activation, eps,
    LayerScale and the normalisation are taken from it. Raises WrongSize where it has another
    size, ValueError where the name is unknown.
    """
    size, variant = find_variant(name)
    if trained:
        _require_size(name, size, trained)
    numbers: dict[str, Any] = dict(ENCODER_SIZES[size])
    clip = {"num_frames": variant.frames, "image_size": (IMAGE_SIDE, IMAGE_SIDE)}
    return as_variant(variant, trained or EncoderConfig(**numbers), **{**clip, **changes})


def as_variant(variant: Variant, base: EncoderConfig, **changes: Any) -> EncoderConfig:
    """`base` with the fields of a variant, and then with the changed fields."""
    joint = {"class_token": False, "attention": "joint", "pooling": "mean", "trained_grid": None}
    return replace(base, **{**joint, **variant.fields, **changes})


def _require_size(name: str, size: str, trained: EncoderConfig) -> None:
    given = (trained.embed_dim, trained.depth)
    needed = (ENCODER_SIZES[size]["embed_dim"], ENCODER_SIZES[size]["depth"])
    if given != needed:
        sizes = {(row["embed_dim"], row["depth"]): size for size, row in ENCODER_SIZES.items()}
        fitting = name.replace(size, sizes[given]) if given in sizes else ""
        raise WrongSize(
            f"{name} has width {needed[0]} and depth {needed[1]}, the file's encoder {given[0]} "
            f"and {given[1]}; " + (f"use {fitting}" if fitting else "no variant has that size")
        )
