"""The formats in which checkpoints store queries, keys and values of one attention."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from encoder.checkpoint.tensor_recipe import (
    TensorRecipe,
    TensorRecipes,
    concat_qkv,
    constant_tensor,
    copy_tensor,
    qkv_slice,
)

Names = Mapping[str, str]
"""Common name -> name in the file."""

QKV_FORMATS = {  # the flags in parentheses are those of the unified models' programs
    "q_v": "one weight, biases of queries and values",  # qkv_divided_bias
    "fused": "one weight, one bias",  # qkv_bias
    "split": "separate weights and biases",  # qkv_divided
    "plain": "one weight, no bias",
}
KEY_BIAS = "a key bias has no effect on the softmax"


def qkv_format(names: Collection[str], attention: str = "blocks.0.attn") -> str:
    """The row of QKV_FORMATS that the tensors of an attention have."""
    if f"{attention}.q.weight" in names:
        return "split"
    if f"{attention}.q_bias" in names:
        return "q_v"
    return "fused" if f"{attention}.qkv.bias" in names else "plain"


def attention_recipes(
    attention: str, names: Names, width: int
) -> tuple[TensorRecipes, dict[str, str]]:
    """Recipes of `qkv.weight`, `q_bias`, `v_bias` and `proj`, and skipped names with the reason.

    `attention` is a prefix of common names, such as `blocks.3.attn`. A tensor that the file should
    have and does not gets no recipe.
    """

    def name(inner: str) -> str | None:
        return names.get(f"{attention}.{inner}")

    recipes: TensorRecipes = {}
    separate = [name(f"{each}.weight") for each in "qkv"]
    if fused := name("qkv.weight"):
        recipes["qkv.weight"] = copy_tensor(fused)
    elif all(separate):
        recipes["qkv.weight"] = concat_qkv([each for each in separate if each])
    for each, index in (("q", 0), ("v", 2)):
        if recipe := _bias(attention, names, each, index, width):
            recipes[f"{each}_bias"] = recipe
    for inner in ("proj.weight", "proj.bias"):
        if source := name(inner):
            recipes[inner] = copy_tensor(source)
    key_bias = name("k.bias")
    return recipes, {key_bias: KEY_BIAS} if key_bias else {}


def _bias(attention: str, names: Names, each: str, index: int, width: int) -> TensorRecipe | None:
    for inner in (f"{each}_bias", f"{each}.bias"):
        if source := names.get(f"{attention}.{inner}"):
            return copy_tensor(source)
    if fused := names.get(f"{attention}.qkv.bias"):
        return qkv_slice(fused, index)
    either = {f"{attention}.{other}{end}" for other in "qv" for end in ("_bias", ".bias")}
    if either & names.keys():
        return None  # the file has the other bias, so this one is missing
    return constant_tensor((width,), 0.0, "zero, the file has no bias")


def convert_qkv(tensors: Mapping[str, Tensor], target: str) -> dict[str, Tensor]:
    """One attention's `qkv.weight`, `q_bias` and `v_bias` in one of QKV_FORMATS; others unchanged.

    Raises ValueError where `target` has no biases and the encoder's are not 0.
    """
    converted = {
        name: t for name, t in tensors.items() if name not in ("qkv.weight", "q_bias", "v_bias")
    }
    weight, q_bias, v_bias = (tensors[name] for name in ("qkv.weight", "q_bias", "v_bias"))
    biases = (q_bias, torch.zeros_like(q_bias), v_bias)
    if target == "split":
        for each, part, bias in zip("qkv", weight.chunk(3), biases, strict=True):
            converted |= {f"{each}.weight": part, f"{each}.bias": bias}
        return converted
    converted["qkv.weight"] = weight
    if target == "q_v":
        converted |= {"q_bias": q_bias, "v_bias": v_bias}
    elif target == "fused":
        converted["qkv.bias"] = torch.cat(biases)
    elif q_bias.any() or v_bias.any():
        raise ValueError("the encoder's attention has biases, which this format does not store")
    return converted
