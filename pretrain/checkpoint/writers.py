"""Writers of autoencoder files. `formats.FORMATS` says what each format can hold."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoder.checkpoint.common_tensors import contiguous
from encoder.checkpoint.formats import huggingface
from encoder.checkpoint.formats.huggingface import WEIGHTS_FILE, write_json
from encoder.checkpoint.save_tensors import save_tensors
from encoder.config import EncoderConfig
from encoder.mlp_width import mlp_width
from pretrain.checkpoint.decoder_names import to_layout
from pretrain.checkpoint.infer_config import metadata_of
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.targets.registry import DEFAULT_TARGET
from pretrain.targets.spec import PretrainingTarget


def write_own(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """One `.safetensors` file with encoder, decoder and target in its metadata."""
    metadata = metadata_of(config.encoder, config.decoder, config.target)
    save_tensors(contiguous(tensors), path, metadata)


def write_videomae(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """A torch file for VideoMAE's programs: the tensors under `model`."""
    torch.save({"model": contiguous(to_layout(tensors, "videomae", config.encoder))}, path)


def write_huggingface(path: Path, tensors: dict[str, Tensor], config: PretrainConfig) -> None:
    """A folder for `VideoMAEForPreTraining.from_pretrained`.

    That class fixes eps of the decoder's last norm at 1e-5, where this project has 1e-6.
    """
    path.mkdir(parents=True, exist_ok=True)
    weights = contiguous(to_layout(tensors, "hf", config.encoder))
    save_tensors(weights, path / WEIGHTS_FILE, {"format": "pt"})
    settings = huggingface_config(config.encoder, config.decoder, config.target)
    write_json(path / "config.json", settings)
    write_json(path / "preprocessor_config.json", huggingface.preprocessor_config(config.encoder))


def huggingface_config(
    encoder: EncoderConfig, decoder: DecoderConfig, target: PretrainingTarget = DEFAULT_TARGET
) -> dict[str, Any]:
    """`config.json` of `VideoMAEForPreTraining`, for a target that it has."""
    return {
        "architectures": ["VideoMAEForPreTraining"],
        **huggingface.huggingface_config(encoder),
        "decoder_hidden_size": decoder.embed_dim,
        "decoder_num_hidden_layers": decoder.depth,
        "decoder_num_attention_heads": decoder.num_heads,
        "decoder_intermediate_size": mlp_width(decoder.embed_dim, decoder.mlp_ratio),
        **target.spec.formats["hf"],
    }
