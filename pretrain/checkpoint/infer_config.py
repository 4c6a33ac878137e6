"""The autoencoder that a file holds: what its shapes, its records and its layout say of it."""

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
from pretrain.config import DecoderConfig, TargetConfig

HEAD_WIDTH = 64  # of VideoMAE's decoders, whatever their size
MAE_ST_HEADS = 16  # of its published decoder, 512 wide
# What a family was trained to predict, where its file does not say it.
TARGET_OF = {"mae_st": "standardised_pixels"}


class InferredConfig(NamedTuple):
    """The configuration of both halves, and what the decoder predicts."""

    encoder: EncoderConfig
    decoder: DecoderConfig
    target: TargetConfig
    assumed: tuple[str, ...]  # what neither the file nor the user said


class DecoderOverrides(NamedTuple):
    """What the user says of a file's decoder; None leaves it to the file."""

    num_heads: int | None = None
    target: str | None = None


def infer_autoencoder_config(
    found: SourceEncoder, layout: str, tensors: Mapping[str, Tensor], decoder: DecoderOverrides
) -> InferredConfig:
    """`tensors` of the file under this project's names. Raises CheckpointMismatch."""
    file, path = found.file, found.file.path
    kept = _kept(file)
    if kept is not None:
        given = {"--decoder-heads": decoder.num_heads, "--target": decoder.target}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise CheckpointMismatch(f"{path}: says all of itself; leave out {wrong[0]}")
        return InferredConfig(found.config, *kept, found.assumptions)
    fields = _measured(tensors, found.config, path)
    heads, said = _heads(fields["embed_dim"], layout, file.metadata, decoder.num_heads)
    fields["num_heads"] = heads
    kind, how = _target(layout, file.metadata, decoder.target)
    try:
        built = DecoderConfig(**fields)
        target = TypeAdapter(TargetConfig).validate_python({"kind": kind})
    except ValidationError as error:
        raise CheckpointMismatch(
            f"{path}: decoder: {first_error(error)} (--decoder-heads)"
        ) from None
    return InferredConfig(found.config, built, target, (*found.assumptions, *said, *how))


def _kept(file: TensorFile) -> tuple[DecoderConfig, TargetConfig] | None:
    """What this project's own files say in their metadata, alone or within a run's."""
    held: Mapping[str, Any] = file.metadata
    try:
        if isinstance(run := held.get("config"), str):
            held = {name: json.dumps(value) for name, value in json.loads(run).items()}
        texts = [held.get(name) for name in ("decoder", "target")]
        if not all(isinstance(text, str) for text in texts):
            return None
        return (
            TypeAdapter(DecoderConfig).validate_json(str(texts[0])),
            TypeAdapter(TargetConfig).validate_json(str(texts[1])),
        )
    except ValidationError as error:
        raise CheckpointMismatch(f"{file.path}: metadata {first_error(error)}") from None
    except (ValueError, AttributeError, RecursionError):
        raise CheckpointMismatch(f"{file.path}: metadata config: is no configuration") from None


def _measured(tensors: Mapping[str, Tensor], encoder: EncoderConfig, path: Path) -> dict[str, Any]:
    """Fields of DecoderConfig that shapes tell."""
    shapes = {
        name.removeprefix("decoder."): tuple(tensor.shape)
        for name, tensor in tensors.items()
        if name.startswith("decoder.")
    }
    try:
        width = shapes["embed.weight"][0]
        inner, values = shapes["blocks.0.mlp.fc1.weight"][0], shapes["head.weight"][0]
    except KeyError as error:
        raise CheckpointMismatch(f"{path}: its decoder has no {error.args[0]}") from None
    frames, rest = divmod(values, encoder.patch_size**2 * encoder.channels)
    if rest or not 0 < frames <= encoder.tubelet_size:
        raise CheckpointMismatch(
            f"{path}: its decoder predicts {values} values a token, and a tubelet has "
            f"{encoder.tubelet_values}; another target than pixels cannot be shown"
        )
    return {
        "embed_dim": width,
        "depth": len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        "mlp_ratio": inner / width,
        "pos_embed": "separable" if "positions.space" in shapes else "sinusoid",
        "class_token": "class_token.token" in shapes,
        "embed_bias": "embed.bias" in shapes,
        "predicted_frames": None if frames == encoder.tubelet_size else frames,
    }


def _heads(
    width: int, layout: str, recorded: Mapping[str, Any], told: int | None
) -> tuple[int, tuple[str, ...]]:
    said = told or recorded.get("decoder_num_attention_heads")
    if isinstance(said, int) and said > 0:
        return said, ()
    heads = MAE_ST_HEADS if layout == "mae_st" else max(width // HEAD_WIDTH, 1)
    return heads, (f"a decoder of {heads} heads (--decoder-heads)",)


def _target(
    layout: str, recorded: Mapping[str, Any], told: str | None
) -> tuple[str, tuple[str, ...]]:
    if told is not None:
        return told, ()
    if isinstance(normalised := recorded.get("norm_pix_loss"), bool):
        return ("normalised_pixels" if normalised else "pixels"), ()
    kind = TARGET_OF.get(layout, "normalised_pixels")
    return kind, (f"it predicts {kind} (--target)",)


def metadata_of(
    encoder: EncoderConfig, decoder: DecoderConfig, target: TargetConfig
) -> dict[str, str]:
    """What an own file says of itself, as text."""
    return {
        "encoder": json.dumps(encoder.as_dict()),
        "decoder": TypeAdapter(DecoderConfig).dump_json(decoder).decode(),
        "target": TypeAdapter(TargetConfig).dump_json(target).decode(),
    }
