"""The encoder in a file: its configuration, and how each of its tensors is computed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from encoder.checkpoint.families import FAMILIES, NATIVE_FAMILY, DetectedFamily, detect_family
from encoder.checkpoint.infer_config import infer_config
from encoder.checkpoint.native_format import NATIVE
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.qkv_formats import Names, attention_recipes
from encoder.checkpoint.safe_open import CheckpointMismatch, one_line
from encoder.checkpoint.tensor_file import TensorFile
from encoder.checkpoint.tensor_recipe import (
    TensorRecipe,
    TensorRecipes,
    constant_tensor,
    copy_tensor,
    flatten_tensor,
    kernel_to_matrix,
)
from encoder.config import EncoderConfig, first_error
from encoder.mlp_width import shapes_of, with_stored_width

# Prefixes of common names that are not part of an encoder; a family's `ignored` adds to them.
IGNORED = {
    "head.": "classifier",
    "decoder": "decoder",
    "mask_token": "decoder",
    "down_": "decoder",
    "pos_embed_img": "decoder",
    "pos_embed_vid": "decoder",
    "proj": "projection to the text embedding",
    "embeddings.position_ids": "indices",
    "pooler.": "pooling of another program",
}
BLOCK_TENSORS = (
    "norm1.weight",
    "norm1.bias",
    "norm2.weight",
    "norm2.bias",
    "mlp.fc1.weight",
    "mlp.fc1.bias",
    "mlp.fc2.weight",
    "mlp.fc2.bias",
    "scale1",
    "scale2",
)
TIME_TENSORS = ("time_norm.weight", "time_norm.bias", "time_proj.weight", "time_proj.bias")

# Errors where names and shapes do not belong to one model.
CONTRADICTIONS = (KeyError, IndexError, StopIteration, TypeError, RuntimeError, ZeroDivisionError)


class SourceEncoder(NamedTuple):
    """The encoder in a file, as it was trained; no tensor is read yet."""

    file: TensorFile
    detected: DetectedFamily
    config: EncoderConfig
    recipes: TensorRecipes
    skipped: dict[str, str]  # name in the file -> reason
    assumptions: tuple[str, ...]  # what neither the file nor the overrides say


def read_source(path: Path, overrides: CheckpointOverrides | None = None) -> SourceEncoder:
    """Detects a file's family and describes its encoder; reads tensor names and shapes only.

    Raises CheckpointMismatch where the file is incomplete, of no known family, lacks tensors of
    its family or has others; and where it needs an override.
    """
    return parse_source(TensorFile(path), overrides or CheckpointOverrides())


def parse_source(file: TensorFile, overrides: CheckpointOverrides) -> SourceEncoder:
    """As `read_source`, of an open file."""
    if text := _native_config(file):
        return _native(file, text)
    detected = detect_family(file.tensors, str(file.path))
    if detected.name == NATIVE_FAMILY:
        raise CheckpointMismatch(
            f"{file.path}: has this project's tensor names, but no entry 'encoder' in its "
            "metadata; give the encoder.safetensors of the run"
        )
    try:
        inferred = infer_config(detected, file.tensors, file.metadata, overrides, str(file.path))
        recipes, skipped = _recipes(detected, inferred.config, file.tensors)
    except CONTRADICTIONS as error:
        raise CheckpointMismatch(
            f"{file.path}: looks like {detected.family.title}, but its names and shapes contradict "
            f"each other ({type(error).__name__}: {one_line(error)})"
        ) from None
    others = tuple(f"the entry {name!r} has a model too; not read" for name in file.other_wrappers)
    assumptions = (*inferred.assumptions, *others)
    source = SourceEncoder(file, detected, inferred.config, recipes, skipped, assumptions)
    _require_all_used(source)
    return source


def _native_config(file: TensorFile) -> str | None:
    """The encoder's configuration in this project's metadata: alone, or within a run's."""
    encoder, run = file.metadata.get("encoder"), file.metadata.get("config")
    if isinstance(encoder, str):
        return encoder
    try:
        return json.dumps(json.loads(run)["encoder"]) if isinstance(run, str) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _native(file: TensorFile, text: str) -> SourceEncoder:
    try:
        config = TypeAdapter(EncoderConfig).validate_json(text)
    except ValidationError as error:
        raise CheckpointMismatch(f"{file.path}: metadata encoder.{first_error(error)}") from None
    if config.depth > len(file.tensors):
        raise CheckpointMismatch(
            f"{file.path}: metadata encoder.depth is {config.depth}, but the file has "
            f"{len(file.tensors)} tensors"
        )
    root = "" if "embed.weight" in file.tensors else "encoder."
    config = with_stored_width(config, shapes_of(file.tensors), root)
    inside = [name for name in file.tensors if name.startswith(root)]
    outside = tuple(name for name in file.tensors if not name.startswith(root))
    recipes = {name.removeprefix(root): copy_tensor(name) for name in inside}
    family = FAMILIES[NATIVE_FAMILY]
    detected = DetectedFamily(NATIVE_FAMILY, family, NATIVE.key_map, root, {}, outside)
    skipped = {name: _reason_to_ignore(name, detected) or "decoder" for name in outside}
    return SourceEncoder(file, detected, config, recipes, skipped, ())


def _recipes(
    detected: DetectedFamily, config: EncoderConfig, tensors: Mapping[str, Tensor]
) -> tuple[TensorRecipes, dict[str, str]]:
    names = detected.names
    skipped: dict[str, str] = {}
    recipes: TensorRecipes = {
        "embed.weight": copy_tensor(names["patch_embed.proj.weight"]).then(kernel_to_matrix)
    }
    bias = names.get("patch_embed.proj.bias")
    no_bias = constant_tensor((config.embed_dim,), 0.0, "zero, the file has no bias")
    recipes["embed.bias"] = copy_tensor(bias) if bias else no_bias
    recipes |= _positions(names, config, tensors)
    last_norm = "fc_norm" if config.norm == "pooled" else "norm"
    for native, common in (("norm_pre", "norm_pre"), ("norm", last_norm)):
        for end in ("weight", "bias"):
            if name := names.get(f"{common}.{end}"):
                recipes[f"{native}.{end}"] = copy_tensor(name)
    for i in range(config.depth):
        divided = config.attention == "divided"
        block, unused = block_recipes(f"blocks.{i}", names, config.embed_dim, divided=divided)
        recipes |= block
        skipped |= unused
    skipped |= dict.fromkeys(detected.other_names, "not part of the encoder")
    used = {source for recipe in recipes.values() for source in recipe.sources} | skipped.keys()
    for common, name in names.items():
        if name not in used and (reason := _reason_to_ignore(common, detected)):
            skipped[name] = reason
    return recipes, skipped


def _reason_to_ignore(common: str, detected: DetectedFamily) -> str:
    """Why a tensor is not part of the encoder; empty where it should be."""
    ignored = {**IGNORED, **detected.family.ignored}
    prefixes = [prefix for prefix in ignored if common.startswith(prefix)]
    return ignored[max(prefixes, key=len)] if prefixes else ""


def block_recipes(
    block: str, names: Names, width: int, *, divided: bool = False
) -> tuple[TensorRecipes, dict[str, str]]:
    """Recipes of a block such as `blocks.3`, and skipped names of the file with the reason."""
    space = "space." if divided else ""
    recipes: TensorRecipes = {
        f"{space}{name}": copy_tensor(names[f"{block}.{name}"])
        for name in BLOCK_TENSORS
        if f"{block}.{name}" in names
    }
    attention, skipped = attention_recipes(f"{block}.attn", names, width)
    recipes |= {f"{space}attn.{name}": recipe for name, recipe in attention.items()}
    if divided:
        recipes |= {
            name: copy_tensor(names[f"{block}.{name}"])
            for name in TIME_TENSORS
            if f"{block}.{name}" in names
        }
        attention, unused = attention_recipes(f"{block}.time_attn", names, width)
        recipes |= {f"time_attn.{name}": recipe for name, recipe in attention.items()}
        skipped |= unused
    return {f"{block}.{name}": recipe for name, recipe in recipes.items()}, skipped


def _positions(names: Names, config: EncoderConfig, tensors: Mapping[str, Tensor]) -> TensorRecipes:
    recipes: TensorRecipes = {}
    if config.class_token:
        recipes["class_token.token"] = flatten_tensor(names["cls_token"])
    if not config.positions_learned:
        return recipes
    if "pos_embed_spatial" in names:
        recipes["positions.space"] = position_table(names["pos_embed_spatial"])
        recipes["positions.time"] = position_table(names["pos_embed_temporal"])
        if config.class_token and (of_class_token := names.get("pos_embed_class")):
            recipes["class_token.position"] = flatten_tensor(of_class_token)
        return recipes
    table = position_table(names["pos_embed"])
    _, rows, columns = config.grid
    patches = config.tokens if config.pos_embed == "learned" else rows * columns
    first = tensors[names["pos_embed"]].shape[-2] - patches  # 1 after a class token's row
    kind = "space" if config.pos_embed == "separable" else "tokens"
    recipes[f"positions.{kind}"] = table.then(lambda rows: rows[first:])
    if config.class_token:
        no_position = "zero, the class token has no position"
        recipes["class_token.position"] = (
            table.then(lambda rows: rows[0])
            if first
            else constant_tensor((config.embed_dim,), 0.0, no_position)
        )
    if config.pos_embed == "separable":
        time = names.get("time_embed")
        one_frame = constant_tensor((1, config.embed_dim), 0.0, "zero, for the single frame")
        recipes["positions.time"] = position_table(time) if time else one_frame
    return recipes


def position_table(name: str) -> TensorRecipe:
    """A table [n, d] that the file stores with further axes of length 1."""
    return copy_tensor(name).then(lambda table: table.flatten(0, -2))


def _require_all_used(source: SourceEncoder) -> None:
    """Raises CheckpointMismatch where a tensor of the file is neither used nor skipped."""
    used = {name for recipe in source.recipes.values() for name in recipe.sources}
    unknown = [n for n in source.detected.names.values() if n not in used | source.skipped.keys()]
    if unknown:
        raise CheckpointMismatch(
            f"{source.file.path}: {len(unknown)} tensors are unknown in "
            f"{source.detected.family.title} ({', '.join(unknown[:3])}"
            f"{' ...' if len(unknown) > 3 else ''}); this is another kind of model"
        )
