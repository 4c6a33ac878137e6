"""The unified backbone variants: one row each, at every size."""

from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

from encoder.config import ENCODER_SIZES, EncoderConfig

SIDE = 224  # pixels of a clip, where nothing else is asked


class Variant(NamedTuple):
    """Where the encoders of one row differ from VideoMAE's."""

    description: str
    frames: int  # of a clip, where nothing else is asked
    fields: dict[str, Any]  # of EncoderConfig
    attention_form: str = "q_v"  # in upstream's files
    image: bool = False  # whether upstream fills it from image models


VARIANTS = {
    "unified_{}": Variant(
        "tubelets of 2 frames, 1-D sinusoid positions, mean of the tokens",
        16,
        {"tubelet_size": 2, "pos_embed": "sinusoid", "norm": "pooled"},
    ),
    "unified_{}_st": Variant(
        "the same with 3-D sin-cos positions (MVD, SurgVISTA)",
        16,
        {"tubelet_size": 2, "pos_embed": "sincos3d", "norm": "pooled"},
    ),
    "unified_{}_2D": Variant(
        "every frame cut by itself, half the frames for the same tokens",
        8,
        {"tubelet_size": 1, "pos_embed": "sinusoid", "norm": "pooled"},
        "fused",
        image=True,
    ),
    "unified_{}_2D_3D": Variant(
        "tubelets of 2 frames from an image model's patches",
        16,
        {"tubelet_size": 2, "pos_embed": "sinusoid", "norm": "pooled"},
        "fused",
        image=True,
    ),
    "unified_{}_image": Variant(
        "every frame cut by itself, learned positions and class token",
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
        "the same with attention divided into time and space",
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
ALIASES = {"unifiedmodel_cls": "unified_base_image"}
NAMES = {row.format(size): (size, row) for row in VARIANTS for size in ENCODER_SIZES}


def find_variant(name: str) -> tuple[str, Variant]:
    """Size and row of a name such as `unified_base_st`; raises ValueError with the nearest ones."""
    name = ALIASES.get(name, name)
    if name not in NAMES:
        near = get_close_matches(name, [*NAMES, *ALIASES], n=3)
        raise ValueError(
            f"variant {name!r} is not known; "
            + (f"nearest: {', '.join(near)}" if near else f"there are {', '.join(VARIANTS)}")
        )
    size, row = NAMES[name]
    return size, VARIANTS[row]


def variant_config(name: str, trained: EncoderConfig | None = None, **asked: Any) -> EncoderConfig:
    """A variant's configuration, with what is asked for instead of its own.

    `trained`: the encoder whose weights it will have; patches, pre-norm, activation, eps, layer
    scale and the normalisation of pixels are that one's. Raises ValueError where it has another
    size, or the name is not known.
    """
    size, variant = find_variant(name)
    if trained:
        _require_size(name, size, trained)
    numbers: dict[str, Any] = dict(ENCODER_SIZES[size])
    clip = {"num_frames": variant.frames, "image_size": (SIDE, SIDE)}
    return as_variant(variant, trained or EncoderConfig(**numbers), **{**clip, **asked})


def as_variant(variant: Variant, base: EncoderConfig, **asked: Any) -> EncoderConfig:
    """An encoder of any size with the fields of a row, and then what is asked for."""
    joint = {"class_token": False, "attention": "joint", "pooling": "mean", "trained_grid": None}
    return replace(base, **{**joint, **variant.fields, **asked})


def _require_size(name: str, size: str, trained: EncoderConfig) -> None:
    has = (trained.embed_dim, trained.depth)
    sizes = {(row["embed_dim"], row["depth"]): size for size, row in ENCODER_SIZES.items()}
    wanted = next(numbers for numbers, known in sizes.items() if known == size)
    if has != wanted:
        cure = (
            f"say {name.replace(size, sizes[has])}" if has in sizes else "no variant is of its size"
        )
        raise ValueError(
            f"{name} is {wanted[0]} wide and {wanted[1]} deep, the file's encoder {has[0]} and "
            f"{has[1]}; {cure}"
        )
