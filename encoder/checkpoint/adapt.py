"""Fits the encoder in a file to the wanted one: which tensors change, are skipped or are new."""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from typing import Literal, NamedTuple

import torch
from einops import EinopsError
from torch import Tensor

from encoder.checkpoint.adapt_positions import adapt_positions, grid_text, skip_tensors
from encoder.checkpoint.native_format import shape_text
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.safe_open import CheckpointMismatch, one_line
from encoder.checkpoint.tensor_recipe import TensorRecipe, TensorRecipes, inflate
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder

Inflation = Literal["average", "center"]
# Tensors that may be newly initialised by default; attention, MLP and patch embedding may not.
MAY_INITIALISE = (
    "norm.*",
    "class_token.*",
    "positions.*",
    "blocks.*.scale?",
    "blocks.*.time_proj.*",
)
MAX_TOKENS = 2**18  # of a clip; a file cannot make this program compute larger tables
NORMALISED = {"tokens": "every token", "pooled": "the pooled feature"}
POOLED = {"mean": "the mean of the tokens", "first": "the first token"}


class LoadOptions(NamedTuple):
    """Choices where more than one way is right."""

    inflation: Inflation = "average"
    keep_norm: bool = False  # use the LayerNorm of all tokens for the pooled feature
    allow_missing: tuple[str, ...] = ()  # patterns of tensors that may be initialised or skipped


DEFAULTS = LoadOptions()


class LoadPlan(NamedTuple):
    """How an encoder of `config` is computed from a file."""

    config: EncoderConfig
    recipes: TensorRecipes
    skipped: dict[str, str]  # the file's or the encoder's tensor name -> reason
    initialised: tuple[str, ...]  # tensors of the encoder that the file does not have
    notes: tuple[str, ...]  # further differences from the encoder as it was trained


def adapt(source: SourceEncoder, target: EncoderConfig, options: LoadOptions) -> LoadPlan:
    """Raises CheckpointMismatch where a tensor of attention, MLP or patch embedding is missing, a
    shape does not fit, or the wanted encoder cannot use the file's weights."""
    for config in (source.config, target):
        if config.tokens > MAX_TOKENS:
            raise CheckpointMismatch(
                f"{source.file.path}: {config.tokens} tokens per clip, above {MAX_TOKENS}; "
                "use fewer frames or a smaller image_size"
            )
    target = _with_trained_grid(source.config, target)
    recipes, skipped = dict(source.recipes), dict(source.skipped)
    _inflate_patches(source, target, recipes, options.inflation)
    _divide_attention(source, target, recipes)
    adapt_positions(source, target, recipes, skipped)
    _adapt_norm(source, target, recipes, skipped, options.keep_norm)
    with torch.device("meta"):
        expected = VideoEncoder(target).state_dict()
    _skip_misfits(source, expected, recipes, skipped, options.allow_missing)
    initialised = tuple(name for name in expected if name not in recipes)
    _require_complete(source, expected, initialised, options.allow_missing)
    return LoadPlan(target, recipes, skipped, initialised, _notes(source.config, target))


def _notes(trained: EncoderConfig, target: EncoderConfig) -> tuple[str, ...]:
    notes = []
    if target.trained_grid:
        notes.append(
            f"positions: {target.pos_embed} table interpolated from "
            f"{grid_text(target.trained_grid)} to {grid_text(target.grid)} tokens"
        )
    if trained.pos_embed != target.pos_embed and not target.positions_learned:
        notes.append(f"positions: trained with {trained.pos_embed}, used with {target.pos_embed}")
    if trained.pooling != target.pooling:
        notes.append(
            f"pooling: trained with {POOLED[trained.pooling]}, used with {POOLED[target.pooling]}"
        )
    return tuple(notes)


def _with_trained_grid(trained: EncoderConfig, target: EncoderConfig) -> EncoderConfig:
    grid = trained.trained_grid or trained.grid
    same = target.pos_embed == trained.pos_embed and not target.positions_learned
    return replace(target, trained_grid=grid if same and grid != target.grid else None)


def _inflate_patches(
    source: SourceEncoder, target: EncoderConfig, recipes: TensorRecipes, rule: Inflation
) -> None:
    trained = source.config
    if target.patch_size != trained.patch_size or target.channels != trained.channels:
        raise CheckpointMismatch(
            f"{source.file.path}: has patches of {trained.patch_size} pixels and "
            f"{trained.channels} channels, the wanted encoder {target.patch_size} and "
            f"{target.channels}; use another file"
        )
    if target.tubelet_size == trained.tubelet_size:
        return
    if trained.tubelet_size != 1:
        raise CheckpointMismatch(
            f"{source.file.path}: tubelets of {trained.tubelet_size} frames cannot become tubelets "
            f"of {target.tubelet_size}; only those of 1 frame can be inflated"
        )
    frames = target.tubelet_size
    recipes["embed.weight"] = recipes["embed.weight"].then(
        lambda weight: inflate(weight, frames, rule), f"inflated from 1 frame to {frames} ({rule})"
    )


def _divide_attention(source: SourceEncoder, target: EncoderConfig, recipes: TensorRecipes) -> None:
    """Temporal attention starts as a copy of spatial attention."""
    if target.attention == source.config.attention:
        return
    if target.attention == "joint":
        raise CheckpointMismatch(
            f"{source.file.path}: has divided space-time attention; joint attention would lose the "
            "temporal one, use a timesformer variant"
        )
    for name in [name for name in recipes if name.startswith("blocks.")]:
        recipe = recipes.pop(name)
        _, number, inner = name.split(".", 2)
        recipes[f"blocks.{number}.space.{inner}"] = recipe
        for space, time in (("norm1.", "time_norm."), ("attn.", "time_attn.")):
            if inner.startswith(space):
                copy = recipe.then(lambda tensor: tensor, "copied from spatial attention")
                recipes[f"blocks.{number}.{time}{inner.removeprefix(space)}"] = copy


def _adapt_norm(
    source: SourceEncoder,
    target: EncoderConfig,
    recipes: TensorRecipes,
    skipped: dict[str, str],
    keep: bool,
) -> None:
    before, after = NORMALISED[source.config.norm], NORMALISED[target.norm]
    if before == after:
        return
    if keep:
        for name in ("norm.weight", "norm.bias"):
            recipes[name] = recipes[name].then(lambda tensor: tensor, f"now normalises {after}")
        return
    reason = f"it normalises {before}, but the wanted encoder normalises {after}"
    skip_tensors("norm.", recipes, skipped, reason)


def _skip_misfits(
    source: SourceEncoder,
    expected: Mapping[str, Tensor],
    recipes: TensorRecipes,
    skipped: dict[str, str],
    allowed: tuple[str, ...],
) -> None:
    """Skips tensors that do not fit where that is allowed; raises CheckpointMismatch otherwise."""
    misfits = {}
    for name in sorted(recipes, key=lambda name: name.startswith("blocks.")):
        try:
            shape = shape_of(recipes[name], source.file.tensors)
        except (RuntimeError, IndexError, ValueError, EinopsError) as error:
            misfits[name] = f"{name} cannot be computed ({one_line(error)[:60]})"
            continue
        if name not in expected:
            misfits[name] = f"{name}, {shape_text(shape)}, is not a tensor of the encoder"
        elif shape != expected[name].shape:
            misfits[name] = (
                f"{name} is {shape_text(shape)}, the encoder needs "
                f"{shape_text(expected[name].shape)}"
            )
    refused = [text for name, text in misfits.items() if not _matches(name, allowed)]
    if refused:
        raise CheckpointMismatch(
            f"{source.file.path}: {len(refused)} of its {len(recipes)} tensors do not fit "
            f"({refused[0]}{', ...' if len(refused) > 1 else ''}); use a variant of the file's "
            "size, or allow them by name (allow_missing)"
        )
    for name in misfits:
        skip_tensors(name, recipes, skipped, "does not fit; allowed by name")


def _require_complete(
    source: SourceEncoder,
    expected: Mapping[str, Tensor],
    initialised: tuple[str, ...],
    allowed: tuple[str, ...],
) -> None:
    missing = [name for name in initialised if not _matches(name, (*MAY_INITIALISE, *allowed))]
    if missing:
        raise CheckpointMismatch(
            f"{source.file.path}: {len(missing)} of the {len(expected)} tensors of this encoder "
            f"are not in the file ({', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}) "
            "and would be random; use a complete file, or allow them by name (allow_missing)"
        )


def shape_of(recipe: TensorRecipe, tensors: Mapping[str, Tensor]) -> torch.Size:
    """The shape of a recipe's tensor, computed with expanded scalars, which take no memory.

    Tensors on the meta device would do, but dividing or concatenating them imports torch's
    compiler, which takes 1.5 seconds.
    """
    one = torch.empty(())
    return recipe.make(*(one.expand(tensors[source].shape) for source in recipe.sources)).shape


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
