"""An encoder in the layouts of other programs: exact where they can hold it, refused where not."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from encoder.checkpoint.families import IMAGENET
from encoder.checkpoint.key_maps import HUGGINGFACE, TIMM, foreign_names
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.qkv_formats import convert_qkv
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.checkpoint.tensor_recipe import matrix_to_kernel
from encoder.config import EncoderConfig
from encoder.pos_embed import computed_positions

Tensors = Mapping[str, Tensor]

# What a program cannot hold: fields of the configuration with the only value it knows.
VIDEOMAE_ONLY = {
    "pos_embed": "sinusoid",
    "trained_grid": None,
    "class_token": False,
    "pre_norm": False,
    "attention": "joint",
}
CANNOT: dict[str, dict[str, Any]] = {
    "videomae": {
        **VIDEOMAE_ONLY,
        "activation": "gelu",
        "norm_eps": 1e-6,
        "mean": IMAGENET.mean,
        "std": IMAGENET.std,
    },
    "hf": {**VIDEOMAE_ONLY, "layer_scale": None},
    "timm": {"num_frames": 1, "tubelet_size": 1, "attention": "joint"},
    "unified": {"activation": "gelu", "norm_eps": 1e-6, "trained_grid": None},
}


def require_holds(layout: str, config: EncoderConfig) -> None:
    """Raises CheckpointMismatch where a program of the layout would compute something else."""
    for field, only in CANNOT.get(layout, {}).items():
        if getattr(config, field) != only:
            others = [name for name in ("own", *CANNOT) if name != layout and _holds(name, config)]
            say = (
                f", or say {field}={only}"
                if field in CheckpointOverrides.__dataclass_fields__
                else ""
            )
            raise CheckpointMismatch(
                f"--to {layout}: the encoder has {field} {getattr(config, field)}, programs of "
                f"that layout only {only}; it can be written --to {' or '.join(others)}{say}"
            )
    if layout == "hf" and config.image_size[0] != config.image_size[1]:
        rows, columns = config.image_size
        raise CheckpointMismatch(
            f"--to hf: the encoder has image_size {rows}x{columns}, Hugging Face's are square"
        )


def _holds(layout: str, config: EncoderConfig) -> bool:
    return all(getattr(config, key) == only for key, only in CANNOT.get(layout, {}).items())


def common_tensors(
    tensors: Tensors, config: EncoderConfig, form: str, *, still: bool = False
) -> dict[str, Tensor]:
    """An encoder's tensors under common names, its attention in one of the stored forms.

    `still`: the patch embedding without an axis for time, as image models have it.
    """
    kernel = matrix_to_kernel(tensors["embed.weight"], config.tubelet_shape)
    common = {
        "patch_embed.proj.weight": kernel.squeeze(2) if still else kernel,
        "patch_embed.proj.bias": tensors["embed.bias"],
        **_positions(tensors, config),
    }
    last = "fc_norm" if config.norm == "pooled" else "norm"
    for own, theirs in (("norm_pre", "norm_pre"), ("norm", last)):
        for end in ("weight", "bias"):
            if f"{own}.{end}" in tensors:
                common[f"{theirs}.{end}"] = tensors[f"{own}.{end}"]
    return common | block_tensors(tensors, "blocks", form)


def block_tensors(tensors: Tensors, blocks: str, form: str) -> dict[str, Tensor]:
    """The blocks under `blocks.N.`, their attention in one of the stored forms."""
    common: dict[str, Tensor] = {}
    attentions: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if not name.startswith(f"{blocks}."):
            continue
        plain = name.replace(".space.", ".")
        head, found, inner = plain.partition("attn.")
        if found:
            attentions.setdefault(head + "attn", {})[inner] = tensor
        else:
            common[plain] = tensor
    for attention, inside in attentions.items():
        held = convert_qkv(inside, form)
        common |= {f"{attention}.{inner}": tensor for inner, tensor in held.items()}
    return common


def _positions(tensors: Tensors, config: EncoderConfig) -> dict[str, Tensor]:
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


def to_videomae(tensors: Tensors, config: EncoderConfig) -> dict[str, Tensor]:
    """VideoMAE's names: those of its pretraining, or of its finetuning where pooled tokens are
    normalised."""
    common = foreign_names(common_tensors(tensors, config, "q_v"), TIMM)
    prefix = "" if config.norm == "pooled" else "encoder."
    return {prefix + name: tensor for name, tensor in common.items()}


def to_huggingface(tensors: Tensors, config: EncoderConfig, root: str) -> dict[str, Tensor]:
    """Names of transformers' VideoMAE under `root`."""
    common = common_tensors(tensors, config, "split")
    named = foreign_names(common, HUGGINGFACE)
    keyless = {name: t for name, t in named.items() if not name.endswith("key.bias")}
    inside = {name: t for name, t in keyless.items() if not name.startswith("fc_norm")}
    outside = {name: t for name, t in keyless.items() if name.startswith("fc_norm")}
    return {f"{root}{name}": tensor for name, tensor in inside.items()} | outside


def to_timm(tensors: Tensors, config: EncoderConfig) -> dict[str, Tensor]:
    """Names of timm's VisionTransformer; the one frame's position goes into those of its places."""
    common = common_tensors(tensors, config, "fused", still=True)
    time = common.pop("time_embed", torch.zeros(1, 1, config.embed_dim))
    table = common.get("pos_embed")
    if table is None:
        computed = computed_positions(
            config.pos_embed, config.grid, config.embed_dim, config.trained_grid
        )
        ahead = torch.zeros(int(config.class_token), config.embed_dim)
        table = torch.cat((ahead, computed))[None]
    patches = table[:, int(config.class_token) :] + time
    common["pos_embed"] = torch.cat((table[:, : int(config.class_token)], patches), dim=1)
    if config.pre_norm and common.pop("patch_embed.proj.bias").any():
        raise CheckpointMismatch(
            "--to timm: the encoder has a pre-norm and a bias of its patches; timm's has no bias "
            "there, so write it --to own"
        )
    layout = TIMM._replace(block_rows=TIMM.block_rows[-2:])  # its names of the layer scale
    return foreign_names(common, layout)


def to_unified(tensors: Tensors, config: EncoderConfig, form: str) -> dict[str, Tensor]:
    """Names of upstream's unified models; raises ValueError where `form` cannot hold biases."""
    still = config.tubelet_size == 1
    return foreign_names(common_tensors(tensors, config, form, still=still), TIMM)
