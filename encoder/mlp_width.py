"""The hidden width of an MLP: from its ratio to the tokens' width, and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

# Of a model with joint and with divided attention; [hidden width, d].
FIRST_LAYERS = ("blocks.0.mlp.fc1.weight", "blocks.0.space.mlp.fc1.weight")


Config = TypeVar("Config", bound=Any)  # of an encoder or a decoder: has embed_dim and mlp_ratio


def mlp_width(embed_dim: int, mlp_ratio: float) -> int:
    """As VideoMAE, mae_st and timm have it: rounded down."""
    return int(embed_dim * mlp_ratio)


def mlp_ratio(embed_dim: int, width: int) -> float:
    """The ratio with this `mlp_width`."""
    ratio = width / embed_dim
    # the product may be a bit below the width
    return ratio if mlp_width(embed_dim, ratio) == width else math.nextafter(ratio, math.inf)


def shapes_of(tensors: "Mapping[str, torch.Tensor]") -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def with_stored_width(config: Config, shapes: Mapping[str, Sequence[int]], prefix: str) -> Config:
    """The configuration, with the ratio of stored weights if an earlier version wrote them.

    It rounded the width to the nearest number. `shapes`: those of the weights by name, of which
    this model's begin with `prefix`. Any other contradiction is left to the loader.
    """
    shape = next((shapes[prefix + name] for name in FIRST_LAYERS if prefix + name in shapes), None)
    product = config.embed_dim * config.mlp_ratio
    if shape is None or not int(product) != shape[0] == round(product):
        return config
    former: Config = replace(config, mlp_ratio=mlp_ratio(config.embed_dim, shape[0]))
    return former
