"""An encoder's tensors under the common names of `key_map.py`, as the file formats need them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from encoder.checkpoint.qkv_formats import convert_qkv
from encoder.checkpoint.tensor_recipe import matrix_to_kernel
from encoder.config import EncoderConfig


def common_tensors(
    tensors: Mapping[str, Tensor],
    config: EncoderConfig,
    qkv_format: str,
    *,
    image: bool = False,
) -> dict[str, Tensor]:
    """The state dict of an encoder under common names.

    `image`: the kernel of the patch embedding has no time axis, as in image models.
    """
    kernel = matrix_to_kernel(tensors["embed.weight"], config.tubelet_shape)
    common = {
        "patch_embed.proj.weight": kernel.squeeze(2) if image else kernel,
        "patch_embed.proj.bias": tensors["embed.bias"],
        **_positions(tensors, config),
    }
    last_norm = "fc_norm" if config.norm == "pooled" else "norm"
    for native, name in (("norm_pre", "norm_pre"), ("norm", last_norm)):
        for end in ("weight", "bias"):
            if f"{native}.{end}" in tensors:
                common[f"{name}.{end}"] = tensors[f"{native}.{end}"]
    return common | block_tensors(tensors, "blocks", qkv_format)


def block_tensors(tensors: Mapping[str, Tensor], blocks: str, qkv_format: str) -> dict[str, Tensor]:
    """The tensors under `blocks.N.`, with attention in one of `QKV_FORMATS`."""
    common: dict[str, Tensor] = {}
    attentions: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if not name.startswith(f"{blocks}."):
            continue
        plain = name.replace(".space.", ".")
        head, is_attention, inner = plain.partition("attn.")
        if is_attention:
            attentions.setdefault(head + "attn", {})[inner] = tensor
        else:
            common[plain] = tensor
    for attention, qkv in attentions.items():
        converted = convert_qkv(qkv, qkv_format)
        common |= {f"{attention}.{inner}": tensor for inner, tensor in converted.items()}
    return common


def _positions(tensors: Mapping[str, Tensor], config: EncoderConfig) -> dict[str, Tensor]:
    common: dict[str, Tensor] = {}
    if config.class_token:
        common["cls_token"] = tensors["class_token.token"][None, None]
    if config.pos_embed not in ("learned", "separable"):
        return common
    kind = "space" if config.pos_embed == "separable" else "tokens"
    table = tensors[f"positions.{kind}"]
    if config.class_token:
        table = torch.cat((tensors["class_token.position"][None], table))
    common["pos_embed"] = table[None]
    if config.pos_embed == "separable":
        common["time_embed"] = tensors["positions.time"][None]
    return common


def contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that can be saved: safetensors refuses views of one tensor, as split qkv gives."""
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
