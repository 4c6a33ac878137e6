"""The encoder that a file holds: its configuration, and how each of its tensors is made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from encoder.checkpoint.families import OWN_FAMILY, DetectedFamily, detect_family
from encoder.checkpoint.infer_config import infer_config
from encoder.checkpoint.key_maps import OWN
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

# What a file may hold under the root of its encoder that is no part of it, by common names.
BESIDE = (
    ("head.", "classifier"),
    ("decoder", "decoder"),
    ("mask_token", "decoder"),
    ("down_", "decoder"),
    ("pos_embed_img", "decoder"),
    ("pos_embed_vid", "decoder"),
    ("proj", "projection to the text's space"),
    ("embeddings.position_ids", "a count"),
    ("pooler.", "pooling of another program"),
)
ALWAYS = (
    "norm1.weight",
    "norm1.bias",
    "norm2.weight",
    "norm2.bias",
    "mlp.fc1.weight",
    "mlp.fc1.bias",
    "mlp.fc2.weight",
    "mlp.fc2.bias",
)
TIME = ("time_norm.weight", "time_norm.bias", "time_proj.weight", "time_proj.bias")
SCALES = ("scale1", "scale2")

# What taking a file at its word leads to where names and shapes are not of one model.
CONTRADICTIONS = (KeyError, IndexError, StopIteration, TypeError, RuntimeError, ZeroDivisionError)


class SourceEncoder(NamedTuple):
    """An encoder in a file, as those who trained it would run it; no tensor is read yet."""

    file: TensorFile
    detected: DetectedFamily
    config: EncoderConfig
    recipes: TensorRecipes
    skipped: dict[str, str]  # name in the file -> why
    assumptions: tuple[str, ...]  # what neither the file nor the user said


def read_source(path: Path, overrides: CheckpointOverrides | None = None) -> SourceEncoder:
    """Recognises a file and tells how an encoder is made of it; reads names and shapes only.

    Raises CheckpointMismatch where it is not whole, of no known family, or lacks a tensor; where
    it has one that its family has not; and where `told` is needed and not given.
    """
    return parse_source(TensorFile(path), overrides or CheckpointOverrides())


def parse_source(file: TensorFile, overrides: CheckpointOverrides) -> SourceEncoder:
    """As `find_encoder`, of an opened file."""
    if own := _own_config(file):
        return _own(file, own)
    known = detect_family(file.tensors, str(file.path))
    if known.family is OWN_FAMILY:
        raise CheckpointMismatch(
            f"{file.path}: this project's names, but no entry 'encoder' in its metadata; give the "
            "encoder.safetensors of the run"
        )
    try:
        measured = infer_config(known, file.tensors, file.metadata, overrides, str(file.path))
        parts, dropped = _parts(known, measured.config, file.tensors)
    except CONTRADICTIONS as error:
        raise CheckpointMismatch(
            f"{file.path}: named like {known.family.title}, but its names and shapes contradict "
            f"each other ({type(error).__name__}: {one_line(error)})"
        ) from None
    others = tuple(f"the file has {name!r} as well: not read" for name in file.other_wrappers)
    found = SourceEncoder(
        file, known, measured.config, parts, dropped, (*measured.assumptions, *others)
    )
    _require_all_used(found)
    return found


def _own_config(file: TensorFile) -> str | None:
    """The configuration that this project writes: the encoder's alone, or within a run's."""
    alone, run = file.metadata.get("encoder"), file.metadata.get("config")
    if isinstance(alone, str):
        return alone
    try:
        return json.dumps(json.loads(run)["encoder"]) if isinstance(run, str) else None
    except (ValueError, KeyError, TypeError):
        return None


def _own(file: TensorFile, text: str) -> SourceEncoder:
    try:
        config = TypeAdapter(EncoderConfig).validate_json(text)
    except ValidationError as error:
        raise CheckpointMismatch(f"{file.path}: metadata encoder.{first_error(error)}") from None
    if config.depth > len(file.tensors):
        raise CheckpointMismatch(
            f"{file.path}: metadata encoder.depth: {config.depth}, of {len(file.tensors)} tensors"
        )
    root = "" if "embed.weight" in file.tensors else "encoder."
    inside = [name for name in file.tensors if name.startswith(root)]
    outside = tuple(name for name in file.tensors if not name.startswith(root))
    parts = {name.removeprefix(root): copy_tensor(name) for name in inside}
    known = DetectedFamily(OWN_FAMILY, OWN, root, {}, outside)
    dropped = {name: _beside(name, known) or "decoder" for name in outside}
    return SourceEncoder(file, known, config, parts, dropped, ())


def _parts(
    known: DetectedFamily, config: EncoderConfig, tensors: Mapping[str, Tensor]
) -> tuple[TensorRecipes, dict[str, str]]:
    names = known.names
    dropped: dict[str, str] = {}
    parts: TensorRecipes = {
        "embed.weight": copy_tensor(names["patch_embed.proj.weight"]).then(kernel_to_matrix)
    }
    bias = names.get("patch_embed.proj.bias")
    without = constant_tensor((config.embed_dim,), 0.0, "no bias in the file")
    parts["embed.bias"] = copy_tensor(bias) if bias else without
    parts |= _positions(names, config, tensors)
    for own, theirs in (("norm_pre", "norm_pre"), ("norm", _last_norm(config))):
        for end in ("weight", "bias"):
            if name := names.get(f"{theirs}.{end}"):
                parts[f"{own}.{end}"] = copy_tensor(name)
    for i in range(config.depth):
        divided = config.attention == "divided"
        block, unused = block_recipes(f"blocks.{i}", names, config.embed_dim, divided=divided)
        parts |= block
        dropped |= unused
    dropped |= dict.fromkeys(known.other_names, "not under the encoder")
    used = {source for part in parts.values() for source in part.sources} | dropped.keys()
    for common, name in names.items():
        if name not in used and (why := _beside(common, known)):
            dropped[name] = why
    return parts, dropped


def _last_norm(config: EncoderConfig) -> str:
    return "fc_norm" if config.norm == "pooled" else "norm"


def _beside(common: str, known: DetectedFamily) -> str:
    if common in known.family.unused:
        return "computed here"
    return next((why for prefix, why in BESIDE if common.startswith(prefix)), "")


def block_recipes(
    block: str, names: Names, width: int, *, divided: bool = False
) -> tuple[TensorRecipes, dict[str, str]]:
    """Parts of one block, `blocks.3`, that are in the file, and what is dropped and why."""
    inner: TensorRecipes = {}
    for name in (*ALWAYS, *SCALES):
        if found := names.get(f"{block}.{name}"):
            inner[f"space.{name}" if divided else name] = copy_tensor(found)
    attention, dropped = attention_recipes(f"{block}.attn", names, width)
    inner |= {f"{'space.' if divided else ''}attn.{key}": part for key, part in attention.items()}
    if divided:
        inner |= {
            name: copy_tensor(names[f"{block}.{name}"])
            for name in TIME
            if f"{block}.{name}" in names
        }
        attention, unused = attention_recipes(f"{block}.time_attn", names, width)
        inner |= {f"time_attn.{key}": part for key, part in attention.items()}
        dropped |= unused
    return {f"{block}.{name}": part for name, part in inner.items()}, dropped


def _positions(names: Names, config: EncoderConfig, tensors: Mapping[str, Tensor]) -> TensorRecipes:
    parts: TensorRecipes = {}
    if config.class_token:
        parts["class_token.token"] = flatten_tensor(names["cls_token"])
    if not config.positions_learned:
        return parts
    if "pos_embed_spatial" in names:
        parts["positions.space"] = position_table(names["pos_embed_spatial"])
        parts["positions.time"] = position_table(names["pos_embed_temporal"])
        if config.class_token and (of_class := names.get("pos_embed_class")):
            parts["class_token.position"] = flatten_tensor(of_class)
        return parts
    table = names["pos_embed"]
    first = tensors[table].shape[-2] - _places(config)  # 1 behind a class token's
    places = "space" if config.pos_embed == "separable" else "tokens"
    parts[f"positions.{places}"] = position_table(table).then(lambda rows: rows[first:])
    if config.class_token:
        parts["class_token.position"] = (
            position_table(table).then(lambda rows: rows[0])
            if first
            else constant_tensor((config.embed_dim,), 0.0, "a class token without position")
        )
    if config.pos_embed == "separable":
        time = names.get("time_embed")
        one = constant_tensor((1, config.embed_dim), 0.0, "one frame: 0")
        parts["positions.time"] = position_table(time) if time else one
    return parts


def _places(config: EncoderConfig) -> int:
    frames, rows, columns = config.grid
    return rows * columns * (frames if config.pos_embed == "learned" else 1)


def position_table(name: str) -> TensorRecipe:
    """A table [n d] that the file holds with further axes of length one."""
    return copy_tensor(name).then(lambda table: table.flatten(0, -2))


def _require_all_used(found: SourceEncoder) -> None:
    """Raises CheckpointMismatch where a tensor of the file is neither used nor known."""
    used = {source for part in found.recipes.values() for source in part.sources}
    unknown = [
        name for name in found.detected.names.values() if name not in used | found.skipped.keys()
    ]
    if unknown:
        raise CheckpointMismatch(
            f"{found.file.path}: {len(unknown)} tensors that {found.detected.family.title} has not "
            f"({', '.join(unknown[:3])}{' ...' if len(unknown) > 3 else ''}): another kind of model"
        )
