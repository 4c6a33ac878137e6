"""From the encoder in a file to the encoder that is wanted: what changes, is left out, is fresh."""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from typing import Literal, NamedTuple

import torch
from einops import EinopsError
from torch import Tensor

from encoder.checkpoint.adapt_positions import adapt_positions, drop_tensors, grid_text
from encoder.checkpoint.native_format import shape_text
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.safe_open import CheckpointMismatch, one_line
from encoder.checkpoint.tensor_recipe import TensorRecipe, TensorRecipes, inflate
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder

Inflation = Literal["average", "center"]
# What may begin training fresh without being asked: everything else is attention, MLP, patches.
MAY_BE_FRESH = ("norm.*", "class_token.*", "positions.*", "blocks.*.scale?", "blocks.*.time_proj.*")
MOST_TOKENS = 2**18  # whose positions are computed for no file's sake


class LoadOptions(NamedTuple):
    """Choices where more than one way is right."""

    inflation: Inflation = "average"
    keep_norm: bool = False  # the LayerNorm of all tokens becomes that of the pooled ones
    allow_missing: tuple[str, ...] = ()  # patterns of tensors that may stay fresh, or be left out


DEFAULTS = LoadOptions()


class LoadPlan(NamedTuple):
    """How an encoder of this configuration is made of a file."""

    config: EncoderConfig
    recipes: TensorRecipes
    skipped: dict[str, str]  # name -> why: the file's name, or the encoder's own
    initialised: tuple[str, ...]  # tensors of the encoder that the file does not bring
    notes: tuple[str, ...]  # what else is not as it was trained


def adapt(source: SourceEncoder, target: EncoderConfig, options: LoadOptions) -> LoadPlan:
    """Raises CheckpointMismatch where a tensor of attention, MLP or patches would stay fresh, a
    shape does not fit, or the file's weights cannot serve the wanted encoder."""
    for config in (source.config, target):
        if config.tokens > MOST_TOKENS:
            raise CheckpointMismatch(
                f"{source.file.path}: {config.tokens} tokens a clip, above {MOST_TOKENS}; "
                "take fewer frames or a smaller image_size"
            )
    target = _with_trained_grid(source.config, target)
    parts, dropped = dict(source.recipes), dict(source.skipped)
    _patches(source, target, parts, options.inflation)
    _blocks(source, target, parts)
    adapt_positions(source, target, parts, dropped)
    _last_norm(source, target, parts, dropped, options.keep_norm)
    with torch.device("meta"):
        wanted = VideoEncoder(target).state_dict()
    _fit(source, wanted, parts, dropped, options.allow_missing)
    fresh = tuple(name for name in wanted if name not in parts)
    _refuse(source, wanted, fresh, options.allow_missing)
    return LoadPlan(target, parts, dropped, fresh, _notes(source.config, target))


def _notes(native: EncoderConfig, target: EncoderConfig) -> tuple[str, ...]:
    notes = []
    if target.trained_grid:
        notes.append(
            f"{target.pos_embed} positions: the table of {grid_text(target.trained_grid)} tokens "
            f"interpolated to {grid_text(target.grid)}"
        )
    if native.pos_embed != target.pos_embed and not target.positions_learned:
        notes.append(f"positions: trained with {native.pos_embed}, here {target.pos_embed}")
    if native.pooling != target.pooling:
        words = {"mean": "the mean of the tokens", "first": "the first token"}
        notes.append(f"pooling: trained with {words[native.pooling]}, here {words[target.pooling]}")
    return tuple(notes)


def _with_trained_grid(native: EncoderConfig, target: EncoderConfig) -> EncoderConfig:
    trained = native.trained_grid or native.grid
    same = target.pos_embed == native.pos_embed and not target.positions_learned
    return replace(target, trained_grid=trained if same and trained != target.grid else None)


def _patches(
    found: SourceEncoder, target: EncoderConfig, parts: TensorRecipes, rule: Inflation
) -> None:
    native = found.config
    if target.patch_size != native.patch_size or target.channels != native.channels:
        raise CheckpointMismatch(
            f"{found.file.path}: patches of {native.patch_size} pixels and {native.channels} "
            f"channels; wanted are {target.patch_size} and {target.channels}, so take another file"
        )
    if target.tubelet_size == native.tubelet_size:
        return
    if native.tubelet_size != 1:
        raise CheckpointMismatch(
            f"{found.file.path}: tubelets of {native.tubelet_size} frames cannot become tubelets "
            f"of {target.tubelet_size}; only those of 1 frame can"
        )
    frames = target.tubelet_size
    parts["embed.weight"] = parts["embed.weight"].then(
        lambda weight: inflate(weight, frames, rule), f"inflated from 1 frame to {frames} ({rule})"
    )


def _blocks(found: SourceEncoder, target: EncoderConfig, parts: TensorRecipes) -> None:
    """Attention over time begins as a copy of that over space."""
    if target.attention == found.config.attention:
        return
    if target.attention == "joint":
        raise CheckpointMismatch(
            f"{found.file.path}: its attention is divided into time and space; joint attention "
            "would lose that over time, take a timesformer variant"
        )
    how = "a copy of that over space"
    for name in [name for name in parts if name.startswith("blocks.")]:
        part = parts.pop(name)
        _, number, inner = name.split(".", 2)
        parts[f"blocks.{number}.space.{inner}"] = part
        for space, time in (("norm1.", "time_norm."), ("attn.", "time_attn.")):
            if inner.startswith(space):
                copy = part.then(lambda tensor: tensor, how)
                parts[f"blocks.{number}.{time}{inner.removeprefix(space)}"] = copy


def _last_norm(
    found: SourceEncoder,
    target: EncoderConfig,
    parts: TensorRecipes,
    dropped: dict[str, str],
    keep: bool,
) -> None:
    if target.norm == found.config.norm:
        return
    if keep:
        for name in ("norm.weight", "norm.bias"):
            parts[name] = parts[name].then(lambda tensor: tensor, f"now of the {target.norm}")
        return
    drop_tensors(
        "norm.", parts, dropped, f"it normalised {found.config.norm}, the variant {target.norm}"
    )


def _fit(
    found: SourceEncoder,
    wanted: Mapping[str, Tensor],
    parts: TensorRecipes,
    dropped: dict[str, str],
    allow: tuple[str, ...],
) -> None:
    """Takes out what the encoder has no place for, where that is allowed; refuses it otherwise."""
    wrong = {}
    for name in sorted(parts, key=lambda name: name.startswith("blocks.")):
        try:
            shape = shape_of(parts[name], found.file.tensors)
        except (RuntimeError, IndexError, ValueError, EinopsError) as error:
            wrong[name] = f"{name} cannot be made ({one_line(error)[:60]})"
            continue
        if name not in wanted:
            wrong[name] = f"{name}, {shape_text(shape)}, has no place in the encoder"
        elif shape != wanted[name].shape:
            wrong[name] = (
                f"{name} is {shape_text(shape)}, the encoder wants {shape_text(wanted[name].shape)}"
            )
    refused = [text for name, text in wrong.items() if not _matches(name, allow)]
    if refused:
        raise CheckpointMismatch(
            f"{found.file.path}: {len(refused)} of its {len(parts)} tensors do not fit "
            f"({refused[0]}{', ...' if len(refused) > 1 else ''}); take a variant of the file's "
            "size, or allow them by name"
        )
    for name in wrong:
        drop_tensors(name, parts, dropped, "does not fit, and was allowed not to")


def _refuse(
    found: SourceEncoder,
    wanted: Mapping[str, Tensor],
    fresh: tuple[str, ...],
    allow: tuple[str, ...],
) -> None:
    missing = [name for name in fresh if not _matches(name, (*MAY_BE_FRESH, *allow))]
    if missing:
        raise CheckpointMismatch(
            f"{found.file.path}: {len(missing)} of the {len(wanted)} tensors of this encoder are "
            f"not in the file ({', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}) and "
            "would stay random; take a whole file, or allow them by name"
        )


def shape_of(recipe: TensorRecipe, tensors: Mapping[str, Tensor]) -> torch.Size:
    """The shape that a part will have, from stand-ins that take no memory.

    Not from tensors on the meta device: dividing or joining those imports torch's compiler, a
    second and a half.
    """
    one = torch.empty(())
    return recipe.make(*(one.expand(tensors[source].shape) for source in recipe.sources)).shape


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
