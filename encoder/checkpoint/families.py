"""The families of checkpoints: recognised by tensor names; what their files do not record.

A new family whose tensor names one of the formats knows is one row of `FAMILIES`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

from encoder.checkpoint.formats.registry import key_maps
from encoder.checkpoint.key_map import KeyMap, common_name, find_roots, rename
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.normalisation import CLIP, IMAGENET, KINETICS, Normalisation


class Family(NamedTuple):
    """How a family is recognised, and what an encoder of it needs beyond names and shapes.

    `has` and `lacks` are common names (`key_map.py`) of tensors.
    """

    title: str
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    kernel_axes: int = 0  # of the patch embedding's weight: 4 without time, 5 with it; 0: either
    normalisation: Normalisation = IMAGENET
    grid_frames: int = 8  # of the token grid, where the file does not record it
    fields: Mapping[str, Any] = MappingProxyType({})  # of EncoderConfig
    ambiguity: str = ""  # an assumption, and the override for other files with the same names
    ignored: Mapping[str, str] = MappingProxyType({})  # prefix of unused tensors -> reason


NATIVE_FAMILY = "own"
CLIP_BLOCK = {"activation": "quick_gelu", "norm_eps": 1e-5}
POSITIONS = ("pos_embed", "pos_embed_spatial")
# Tried from the last row to the first: a general row stands before the special ones, and a row
# that a plugin adds is tried first.
FAMILIES: dict[str, Family] = {
    "videomae": Family(
        "VideoMAE's encoder",
        lacks=("cls_token", *POSITIONS),
    ),
    "videomae_finetuned": Family(
        "VideoMAE, VideoMAE V2, InternVideo, unified model (finetuned)",
        has=("fc_norm.weight",),
        lacks=("cls_token", *POSITIONS),
        ambiguity="sinusoid positions; add pos_embed=sincos3d if it was trained as unified_base_st",
    ),
    "videomae_pretrain": Family(
        "VideoMAE, VideoMAE V2, InternVideo (pretraining)",
        has=("encoder_to_decoder.weight",),
        lacks=("cls_token", *POSITIONS),
    ),
    "image_mae": Family(
        "MAE for images with computed positions (pretraining)",
        has=("encoder_to_decoder.weight",),
        lacks=("cls_token", *POSITIONS),
        kernel_axes=4,
        grid_frames=1,
    ),
    "learned": Family(
        "unified model with learned positions",
        has=("pos_embed",),
        lacks=("cls_token",),
        fields={"pos_embed": "learned"},
    ),
    "image": Family(
        "image ViT (MAE, DINO, supervised)",
        has=("cls_token", "pos_embed"),
        kernel_axes=4,
        grid_frames=1,
        fields={"pooling": "first"},
        ambiguity="ImageNet normalisation; add normalisation=half if it is augreg or orig_in21k",
    ),
    "clip": Family(
        "CLIP's image encoder",
        has=("cls_token", "pos_embed", "norm_pre.weight"),
        kernel_axes=4,
        normalisation=CLIP,
        grid_frames=1,
        fields={**CLIP_BLOCK, "pooling": "first"},
        ambiguity="OpenAI's activation; add activation=gelu if it is LAION's",
    ),
    "unified_image": Family(
        "unified_base_image",
        has=("cls_token", "pos_embed", "time_embed"),
        kernel_axes=4,
        fields={"pooling": "first"},
        ambiguity="ImageNet normalisation; add normalisation=half if it is augreg or orig_in21k",
    ),
    "unified_image_clip": Family(
        "unified_base_image from CLIP",
        has=("cls_token", "pos_embed", "time_embed", "norm_pre.weight"),
        kernel_axes=4,
        normalisation=CLIP,
        fields={**CLIP_BLOCK, "pooling": "first"},
    ),
    "mae_st_joint": Family(
        "mae_st (MAE or ViT for video, joint positions)",
        has=("pos_embed", "blocks.0.attn.q.weight"),
        lacks=("fc_norm.weight",),
        kernel_axes=5,
        normalisation=KINETICS,
        fields={"pooling": "first"},
    ),
    "mae_st": Family(
        "mae_st (MAE or ViT for video, separate positions)",
        has=("pos_embed_spatial", "pos_embed_temporal"),
        kernel_axes=5,
        normalisation=KINETICS,
        fields={"pooling": "first"},
    ),
    "timesformer": Family(
        "TimeSformer",
        has=("blocks.0.time_attn.qkv.weight", "cls_token", "pos_embed", "time_embed"),
        kernel_axes=4,
        normalisation=KINETICS,
        fields={"attention": "divided", "pooling": "first"},
    ),
    "mvd": Family(
        "MVD or SurgVISTA student (pretraining)",
        has=("mask_token_vid", "decoder_vid.norm.weight"),
        kernel_axes=5,
        fields={"pos_embed": "sincos3d"},
        ignored={"pos_embed": "computed from the grid"},
    ),
    "umt": Family(
        "UMT (pretraining)",
        has=("clip_decoder.0.norm.weight",),
    ),
    "own": Family(
        "surgmask",
        kernel_axes=2,
    ),
}


class DetectedFamily(NamedTuple):
    """A file's family, and which of its tensors may belong to the encoder."""

    name: str
    family: Family
    key_map: KeyMap
    root: str  # prefix of the encoder's tensors in the file
    names: dict[str, str]  # common name -> name in the file, of the tensors with the root
    other_names: tuple[str, ...]  # names in the file of all other tensors


def detect_family(tensors: Mapping[str, Tensor], source: str) -> DetectedFamily:
    """The family of a file's tensors, by their names and shapes.

    Raises CheckpointMismatch where no family matches, or the file has more than one encoder.
    """
    matches = [(key_map, root) for key_map in key_maps() for root in find_roots(tensors, key_map)]
    if not matches:
        raise CheckpointMismatch(
            f"{source}: has no video or image transformer of a known format; its {len(tensors)} "
            f"tensors have names like {', '.join(list(tensors)[:3])}; expected "
            f"{' or '.join(key_map.embed for key_map in key_maps())}"
        )
    if len(matches) > 1:
        where = " and ".join(f"{each.title} under {root or '(top)'!r}" for each, root in matches)
        raise CheckpointMismatch(
            f"{source}: has {len(matches)} encoders, {where}; save only the one to load"
        )
    ((key_map, root),) = matches
    return _detect(tensors, key_map, root, source)


def _detect(
    tensors: Mapping[str, Tensor], key_map: KeyMap, root: str, source: str
) -> DetectedFamily:
    names, other_names = {}, []
    for name in tensors:
        if name.startswith(root):
            names[common_name(name.removeprefix(root), key_map)] = name
        elif any(name.startswith(prefix) for prefix, _ in key_map.root_free):
            names[rename(name, key_map.root_free)] = name
        else:
            other_names.append(name)
    axes = tensors[names["patch_embed.proj.weight"]].ndim
    all_names = names.keys() | set(other_names)
    for name, family in reversed(FAMILIES.items()):
        if family.kernel_axes not in (0, axes):
            continue
        if all_names >= set(family.has) and not names.keys() & set(family.lacks):
            return DetectedFamily(name, family, key_map, root, names, tuple(other_names))
    outside_blocks = sorted(name for name in names if not name.startswith("blocks."))
    raise CheckpointMismatch(
        f"{source}: a transformer with {key_map.title} names, but of no known family: besides "
        f"blocks it has {', '.join(outside_blocks[:8])}, and a patch embedding of {axes} axes"
    )
