"""Configuration of the autoencoder in a file, from its metadata, tensor shapes and format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_file import TensorFile
from encoder.config import EncoderConfig, first_error
from encoder.mlp_width import mlp_ratio, shapes_of, with_stored_width
from launch.atomic_io import sha256_file
from pretrain.config import DecoderConfig
from pretrain.targets.registry import TARGETS, infer_target, read_target
from pretrain.targets.spec import PretrainingTarget, values_per_token

HEAD_WIDTH = 64  # of VideoMAE's decoders of all sizes
MAE_ST_HEADS = 16  # of mae_st's published decoder, 512 wide


class InferredConfig(NamedTuple):
    """The configuration of both halves, and what the decoder predicts."""

    encoder: EncoderConfig
    decoder: DecoderConfig
    target: PretrainingTarget
    assumed: tuple[str, ...]  # neither in the file nor given by the user


class DecoderOverrides(NamedTuple):
    """Facts of a file's decoder that the user gives; None: take the file's."""

    num_heads: int | None = None
    target: str | None = None


def infer_autoencoder_config(
    found: SourceEncoder, layout: str, tensors: Mapping[str, Tensor], overrides: DecoderOverrides
) -> InferredConfig:
    """`tensors` of the file have this project's names. Raises CheckpointMismatch."""
    file, path = found.file, found.file.path
    recorded = _own_metadata(file)
    if recorded is not None:
        decoder, target = recorded
        given = {"--decoder-heads": overrides.num_heads, "--target": overrides.target}
        if unused := [name for name, value in given.items() if value is not None]:
            raise CheckpointMismatch(f"{path}: records its decoder and target; drop {unused[0]}")
        decoder = with_stored_width(decoder, shapes_of(tensors), "decoder.")
        return InferredConfig(found.config, decoder, target, found.assumptions)
    target, assumed_target = _target(layout, file.metadata, overrides.target)
    fields = _decoder_fields(tensors, found.config, target, path)
    heads, assumed_heads = _heads(fields["embed_dim"], layout, file.metadata, overrides.num_heads)
    try:
        decoder = DecoderConfig(**fields, num_heads=heads)
    except ValidationError as error:
        raise CheckpointMismatch(
            f"{path}: decoder: {first_error(error)} (--decoder-heads)"
        ) from None
    assumed = (*found.assumptions, *assumed_heads, *assumed_target)
    return InferredConfig(found.config, decoder, target, assumed)


def _own_metadata(file: TensorFile) -> tuple[DecoderConfig, PretrainingTarget] | None:
    """Decoder and target from the metadata of this project's files; None for other files."""
    try:
        decoder, target = _metadata_parts(file.metadata)
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise CheckpointMismatch(f"{file.path}: metadata config: is no configuration") from None
    if decoder is None or target is None:
        return None
    kind = target.get("kind")
    if not isinstance(kind, str) or kind not in TARGETS:
        raise CheckpointMismatch(
            f"{file.path}: its target {kind!r} is none of {', '.join(TARGETS)}; load the plugin "
            "that adds it"
        )
    try:
        return TypeAdapter(DecoderConfig).validate_python(decoder), read_target(target)
    except ValidationError as error:
        raise CheckpointMismatch(f"{file.path}: metadata {first_error(error)}") from None


def _metadata_parts(recorded: Mapping[str, Any]) -> tuple[dict[str, Any] | None, ...]:
    """The settings of decoder and target, alone or as parts of a run's whole configuration."""
    if isinstance(run := recorded.get("config"), str):
        parts = json.loads(run)
        return parts.get("decoder"), parts.get("target")
    texts = recorded.get("decoder"), recorded.get("target")
    return tuple(dict(json.loads(text)) if isinstance(text, str) else None for text in texts)


def _decoder_fields(
    tensors: Mapping[str, Tensor], encoder: EncoderConfig, target: PretrainingTarget, path: Path
) -> dict[str, Any]:
    """Fields of DecoderConfig that the shapes of the tensors give."""
    shapes = {
        name.removeprefix("decoder."): tuple(tensor.shape)
        for name, tensor in tensors.items()
        if name.startswith("decoder.")
    }
    try:
        width = shapes["embed.weight"][0]
        inner, outputs = shapes["blocks.0.mlp.fc1.weight"][0], shapes["head.weight"][0]
    except KeyError as error:
        raise CheckpointMismatch(f"{path}: its decoder has no {error.args[0]}") from None
    return {
        "embed_dim": width,
        "depth": len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        "mlp_ratio": mlp_ratio(width, inner),
        "pos_embed": "separable" if "positions.space" in shapes else "sinusoid",
        "class_token": "class_token.token" in shapes,
        "embed_bias": "embed.bias" in shapes,
        "predicted_frames": _predicted_frames(outputs, encoder, target, path),
    }


def _predicted_frames(
    outputs: int, encoder: EncoderConfig, target: PretrainingTarget, path: Path
) -> int | None:
    """The number of frames with which the target has as many values as the decoder puts out."""
    for frames in (None, *range(1, encoder.tubelet_size)):
        if values_per_token(target, encoder, frames) == outputs:
            return frames
    raise CheckpointMismatch(
        f"{path}: its decoder predicts {outputs} values per token, but the target {target.kind} "
        f"has {values_per_token(target, encoder, None)}; give its target as --target "
        f"({', '.join(TARGETS)})"
    )


def _heads(
    width: int, layout: str, recorded: Mapping[str, Any], override: int | None
) -> tuple[int, tuple[str, ...]]:
    known = override or recorded.get("decoder_num_attention_heads")
    if isinstance(known, int) and known > 0:
        return known, ()
    heads = MAE_ST_HEADS if layout == "mae_st" else max(width // HEAD_WIDTH, 1)
    return heads, (f"the decoder has {heads} heads (--decoder-heads)",)


def _target(
    layout: str, recorded: Mapping[str, Any], override: str | None
) -> tuple[PretrainingTarget, tuple[str, ...]]:
    if override is not None:
        return read_target({"kind": override}), ()
    kind, is_assumed = infer_target(layout, recorded)
    assumed = (f"the target is {kind} (--target)",) if is_assumed else ()
    return read_target({"kind": kind}), assumed


def metadata_of(
    encoder: EncoderConfig, decoder: DecoderConfig, target: PretrainingTarget
) -> dict[str, str]:
    """Metadata of an autoencoder in this project's format, as text.

    A target that is computed from files, such as a teacher, is recorded with their digests.
    """
    metadata = {
        "encoder": json.dumps(encoder.as_dict()),
        "decoder": TypeAdapter(DecoderConfig).dump_json(decoder).decode(),
        "target": TypeAdapter(type(target)).dump_json(target).decode(),
    }
    if files := target.spec.files(target):
        metadata["target_sha256"] = json.dumps({str(file): sha256_file(file) for file in files})
    return metadata
