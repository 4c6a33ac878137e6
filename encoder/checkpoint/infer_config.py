"""The configuration of an encoder in a file: from shapes, from what the file records, by family."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from torch import Tensor

from encoder.checkpoint.families import NORMALISATIONS, DetectedFamily
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig, first_error

HEADS = {192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16, 1408: 16}  # of published widths
PUBLISHED_SIDE = 224  # pixels, of every family
# Fields of EncoderConfig under the names in which programs record them.
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


class InferredEncoderConfig(NamedTuple):
    config: EncoderConfig
    assumptions: tuple[str, ...]  # what neither the file nor the user said


def infer_config(
    detected: DetectedFamily,
    tensors: Mapping[str, Tensor],
    recorded: Mapping[str, Any],
    overrides: CheckpointOverrides,
    source: str,
) -> InferredEncoderConfig:
    """Raises CheckpointMismatch where shapes contradict each other or something must be told."""
    shapes = {common: tuple(tensors[name].shape) for common, name in detected.names.items()}
    embed = shapes["patch_embed.proj.weight"]
    if len(embed) not in (4, 5) or not all(embed):
        raise CheckpointMismatch(
            f"{source}: its patch embedding has the shape {embed}, no kernel's"
        )
    width, channels, *kernel = embed
    tubelet, rows, columns = kernel if len(kernel) == 3 else (1, *kernel)
    if rows != columns:
        raise CheckpointMismatch(
            f"{source}: patches of {rows}x{columns} pixels; square ones can be"
        )
    said = {**_recorded(recorded), **overrides.given()}
    said |= _pixels(said.pop("normalisation", None))
    family = detected.family
    fields: dict[str, Any] = {
        "embed_dim": width,
        "depth": _depth(detected.names),
        "mlp_ratio": _hidden(shapes) / width,
        "patch_size": rows,
        "tubelet_size": tubelet,
        "channels": channels,
        "class_token": "cls_token" in shapes,
        "pre_norm": "norm_pre.weight" in shapes,
        "layer_scale": 1.0 if "blocks.0.scale1" in shapes else None,
        "norm": "tokens" if "norm.weight" in shapes else "pooled",
        "mean": family.pixels.mean,
        "std": family.pixels.std,
        **family.fields,
        **{key: said[key] for key in said.keys() & {"mean", "std", "activation", "norm_eps"}},
        "num_heads": _heads(width, said.get("num_heads"), source),
    }
    return _with_grid(detected, shapes, fields, said, source)


def _with_grid(
    known: DetectedFamily,
    shapes: Mapping[str, tuple[int, ...]],
    fields: dict[str, Any],
    said: Mapping[str, Any],
    source: str,
) -> InferredEncoderConfig:
    """Adds frames, image size and positions; whatever the shapes say counts most."""
    tubelet, patch = fields["tubelet_size"], fields["patch_size"]
    steps = said["num_frames"] // tubelet if "num_frames" in said else known.family.grid_frames
    rows, columns = (side // patch for side in said.get("image_size", 2 * (PUBLISHED_SIDE,)))
    assumed = []
    positions = _places(shapes, fields["class_token"], known)
    if positions is None:
        fields["pos_embed"] = said.get("pos_embed", fields.get("pos_embed", "sinusoid"))
        if not {"num_frames", "image_size"} <= said.keys():
            assumed.append(f"clips of {steps * tubelet} frames, {rows * patch}x{columns * patch}")
    else:
        fields["pos_embed"], places, known_steps = positions
        steps = known_steps or (steps if places % steps == 0 else 1)
        places = places // steps if fields["pos_embed"] == "learned" else places
        if rows * columns != places:
            rows, columns = _square(places, source)
    fields |= {"num_frames": steps * tubelet, "image_size": (rows * patch, columns * patch)}
    if not shapes.keys() & {"norm.weight", "fc_norm.weight"}:
        assumed.append("no LayerNorm at its end; that of the pooled tokens begins untrained")
    if known.family.ambiguity and not said.keys() & {"mean", "activation", "pos_embed"}:
        assumed.append(known.family.ambiguity)
    try:
        return InferredEncoderConfig(EncoderConfig(**fields), tuple(assumed))
    except ValidationError as error:
        raise CheckpointMismatch(f"{source}: {first_error(error)}") from None


def _places(
    shapes: Mapping[str, tuple[int, ...]], class_token: bool, known: DetectedFamily
) -> tuple[str, int, int | None] | None:
    """Kind of stored positions, how many places they have, how many steps in time; None: none."""
    if "pos_embed_spatial" in shapes:
        return "separable", shapes["pos_embed_spatial"][-2], shapes["pos_embed_temporal"][-2]
    if "pos_embed" not in shapes or "pos_embed" in known.family.unused:
        return None
    count = shapes["pos_embed"][-2]
    places = count - 1 if class_token and not _is_square(count) else count
    if "time_embed" in shapes:
        return "separable", places, shapes["time_embed"][-2]
    image = class_token and len(shapes["patch_embed.proj.weight"]) == 4
    return ("separable", places, 1) if image else ("learned", places, None)


def _is_square(count: int) -> bool:
    return math.isqrt(count) ** 2 == count


def _square(places: int, source: str) -> tuple[int, int]:
    side = math.isqrt(places)
    if side**2 != places:
        raise CheckpointMismatch(
            f"{source}: {places} positions a frame, which is no square; say num_frames=... and "
            "image_size=ROWSxCOLUMNS of the clips it was trained on"
        )
    return side, side


def _depth(common: Mapping[str, str]) -> int:
    """Blocks of a file; a number beyond its tensors is none of theirs."""
    numbers = [int(m[1]) for name in common if (m := re.match(r"blocks\.(\d{1,6})\.", name))]
    if max(numbers) >= len(common):
        raise KeyError(f"blocks.{max(numbers)}")
    return 1 + max(numbers)


def _hidden(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Width inside the MLP, of the encoder's first block that has one."""
    inner = (name for name in shapes if re.match(r"blocks\.\d+\.mlp\.fc1\.weight$", name))
    return shapes[next(inner)][0]


def _heads(width: int, said: int | None, source: str) -> int:
    heads = said or HEADS.get(width)
    if heads is None:
        raise CheckpointMismatch(
            f"{source}: how many heads share the width of {width} is not in the file; "
            "say num_heads=..."
        )
    return heads


def _recorded(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of itself, where it is of the right type."""
    beside = recorded.get("pretrained_cfg")  # timm's folders
    flat = {
        **recorded,
        **(
            {"image_mean": beside.get("mean"), "image_std": beside.get("std")}
            if isinstance(beside, dict)
            else {}
        ),
    }
    told = {RECORDED[key]: value for key, value in flat.items() if key in RECORDED}
    for key in ("mean", "std"):
        value = told.get(key)
        if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
            told[key] = tuple(value)
    if isinstance(told.get("image_size"), int):
        told["image_size"] = (told["image_size"],) * 2
    kinds = {
        "num_heads": int,
        "norm_eps": float,
        "activation": str,
        "num_frames": int,
        "image_size": tuple,
        "mean": tuple,
        "std": tuple,
    }
    return {key: value for key, value in told.items() if isinstance(value, kinds[key])}


def _pixels(name: str | None) -> dict[str, tuple[float, ...]]:
    if name is None:
        return {}
    return {"mean": NORMALISATIONS[name].mean, "std": NORMALISATIONS[name].std}
