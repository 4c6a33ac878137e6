"""The configuration of an encoder in a file: from shapes, recorded values, family and overrides."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from torch import Tensor

from encoder.checkpoint.families import DetectedFamily
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig, first_error
from encoder.mlp_width import mlp_ratio
from encoder.normalisation import NORMALISATIONS

NUM_HEADS = {192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16, 1408: 16}  # by published width
IMAGE_SIDE = 224  # pixels, where the file does not record it
# Names in which programs record fields of EncoderConfig.
RECORDED = {
    "num_attention_heads": "num_heads",
    "layer_norm_eps": "norm_eps",
    "hidden_act": "activation",
    "num_frames": "num_frames",
    "image_size": "image_size",
    "input_size": "image_size",
    "image_mean": "mean",
    "image_std": "std",
}
RECORDED_TYPES = {
    "num_heads": int,
    "norm_eps": float,
    "activation": str,
    "num_frames": int,
    "image_size": tuple,
    "mean": tuple,
    "std": tuple,
}


class InferredEncoderConfig(NamedTuple):
    config: EncoderConfig
    assumptions: tuple[str, ...]  # what neither the file nor the overrides say


class StoredPositions(NamedTuple):
    """Position embeddings in a file."""

    kind: str
    rows: int  # of the spatial table; of all tokens where `kind` is learned
    grid_frames: int | None  # None: the file does not say


def infer_config(
    detected: DetectedFamily,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    overrides: CheckpointOverrides,
    source: str,
) -> InferredEncoderConfig:
    """Raises CheckpointMismatch where shapes contradict each other or an override is needed."""
    shapes = {common: tuple(tensors[name].shape) for common, name in detected.names.items()}
    embed = shapes["patch_embed.proj.weight"]
    if len(embed) not in (4, 5) or not all(embed):
        raise CheckpointMismatch(
            f"{source}: its patch embedding has the shape {embed}, which is not a kernel's"
        )
    width, channels, *kernel = embed
    tubelet_size, rows, columns = kernel if len(kernel) == 3 else (1, *kernel)
    if rows != columns:
        raise CheckpointMismatch(
            f"{source}: has patches of {rows}x{columns} pixels; only square ones are supported"
        )
    facts = {**_recorded_fields(metadata), **overrides.given()}
    facts |= _normalisation(facts.pop("normalisation", None))
    family = detected.family
    fields: dict[str, Any] = {
        "embed_dim": width,
        "depth": _depth(detected.names),
        "mlp_ratio": mlp_ratio(width, _mlp_width(shapes)),
        "patch_size": rows,
        "tubelet_size": tubelet_size,
        "channels": channels,
        "class_token": "cls_token" in shapes,
        "pre_norm": "norm_pre.weight" in shapes,
        "layer_scale": 1.0 if "blocks.0.scale1" in shapes else None,
        "norm": "tokens" if "norm.weight" in shapes else "pooled",
        "mean": family.normalisation.mean,
        "std": family.normalisation.std,
        **family.fields,
        **{key: facts[key] for key in facts.keys() & {"mean", "std", "activation", "norm_eps"}},
        "num_heads": _num_heads(width, facts.get("num_heads"), source),
    }
    return _with_grid(detected, shapes, fields, facts, source)


def _with_grid(
    detected: DetectedFamily,
    shapes: Mapping[str, tuple[int, ...]],
    fields: dict[str, Any],
    facts: Mapping[str, Any],
    source: str,
) -> InferredEncoderConfig:
    """Adds frames, image size and positions; shapes take precedence over recorded values."""
    tubelet, patch = fields["tubelet_size"], fields["patch_size"]
    family = detected.family
    depth = facts["num_frames"] // tubelet if "num_frames" in facts else family.grid_frames
    rows, columns = (side // patch for side in facts.get("image_size", 2 * (IMAGE_SIDE,)))
    assumptions = []
    stored = _stored_positions(shapes, fields["class_token"], detected)
    if stored is None:
        fields["pos_embed"] = facts.get("pos_embed", fields.get("pos_embed", "sinusoid"))
        if not {"num_frames", "image_size"} <= facts.keys():
            size = f"{rows * patch}x{columns * patch}"
            assumptions.append(f"clips of {depth * tubelet} frames, {size} pixels")
    else:
        fields["pos_embed"] = stored.kind
        depth = stored.grid_frames or (depth if stored.rows % depth == 0 else 1)
        patches = stored.rows // depth if stored.kind == "learned" else stored.rows
        if rows * columns != patches:
            rows, columns = _square(patches, source)
        if stored.kind == "learned" and facts.get("num_frames") != depth * tubelet:
            # one table for space and time: its rows could be those of other lengths
            size = f"{rows * patch}x{columns * patch}"
            assumptions.append(f"clips of {depth * tubelet} frames, {size} pixels (num_frames)")
    fields |= {"num_frames": depth * tubelet, "image_size": (rows * patch, columns * patch)}
    if not shapes.keys() & {"norm.weight", "fc_norm.weight"}:
        assumptions.append("no final LayerNorm; that of the pooled feature is newly initialised")
    if family.ambiguity and not facts.keys() & {"mean", "activation", "pos_embed"}:
        assumptions.append(family.ambiguity)
    try:
        return InferredEncoderConfig(EncoderConfig(**fields), tuple(assumptions))
    except ValidationError as error:
        raise CheckpointMismatch(f"{source}: {first_error(error)}") from None


def _stored_positions(
    shapes: Mapping[str, tuple[int, ...]], class_token: bool, detected: DetectedFamily
) -> StoredPositions | None:
    """None where the file stores no position embeddings, or the family ignores them."""
    if "pos_embed_spatial" in shapes:
        rows, grid_frames = shapes["pos_embed_spatial"][-2], shapes["pos_embed_temporal"][-2]
        return StoredPositions("separable", rows, grid_frames)
    if "pos_embed" not in shapes or "pos_embed" in detected.family.ignored:
        return None
    count = shapes["pos_embed"][-2]
    rows = count - 1 if class_token and not _is_square(count) else count
    if "time_embed" in shapes:
        return StoredPositions("separable", rows, shapes["time_embed"][-2])
    if class_token and len(shapes["patch_embed.proj.weight"]) == 4:  # an image model
        return StoredPositions("separable", rows, 1)
    return StoredPositions("learned", rows, None)


def _is_square(count: int) -> bool:
    return math.isqrt(count) ** 2 == count


def _square(patches: int, source: str) -> tuple[int, int]:
    side = math.isqrt(patches)
    if side**2 != patches:
        raise CheckpointMismatch(
            f"{source}: has {patches} positions per frame, which is not a square; add num_frames=N "
            "and image_size=ROWSxCOLUMNS of the clips that it was trained with"
        )
    return side, side


def _depth(common: Mapping[str, str]) -> int:
    """Number of blocks; a number above the count of tensors contradicts the file."""
    numbers = [int(m[1]) for name in common if (m := re.match(r"blocks\.(\d{1,6})\.", name))]
    if max(numbers) >= len(common):
        raise KeyError(f"blocks.{max(numbers)}")
    return 1 + max(numbers)


def _mlp_width(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Hidden width of the MLP, in the first block that has one."""
    inner = (name for name in shapes if re.match(r"blocks\.\d+\.mlp\.fc1\.weight$", name))
    return shapes[next(inner)][0]


def _num_heads(width: int, given: int | None, source: str) -> int:
    heads = given or NUM_HEADS.get(width)
    if heads is None:
        raise CheckpointMismatch(
            f"{source}: the number of attention heads is not in the file, and a width of {width} "
            "is not a published one; add num_heads=N"
        )
    return heads


def _recorded_fields(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that a file records in a valid type."""
    timm = metadata.get("pretrained_cfg")
    if isinstance(timm, dict):
        metadata = {**metadata, "image_mean": timm.get("mean"), "image_std": timm.get("std")}
    fields = {RECORDED[key]: value for key, value in metadata.items() if key in RECORDED}
    for key in ("mean", "std"):
        value = fields.get(key)
        if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
            fields[key] = tuple(value)
    sides = fields.get("image_size")
    if isinstance(sides, int):
        fields["image_size"] = (sides, sides)
    if isinstance(sides, list) and [type(side) for side in sides] == [int, int]:
        fields["image_size"] = tuple(sides)
    return {key: value for key, value in fields.items() if isinstance(value, RECORDED_TYPES[key])}


def _normalisation(name: str | None) -> dict[str, tuple[float, ...]]:
    if name is None:
        return {}
    return {"mean": NORMALISATIONS[name].mean, "std": NORMALISATIONS[name].std}
