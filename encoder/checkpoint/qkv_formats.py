"""The forms in which the weights of one and the same attention are stored."""

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

FORMS = {
    "q_v": "one weight, biases of queries and values",  # qkv_divided_bias
    "fused": "one weight, one bias",  # qkv_bias
    "split": "separate weights and biases",  # qkv_divided
    "plain": "one weight, no bias",
}
KEY_BIAS = "a bias of keys cannot change a softmax"


def attention_form(names: Collection[str], attention: str = "blocks.0.attn") -> str:
    """Which of FORMS the tensors of an attention have."""
    if f"{attention}.q.weight" in names:
        return "split"
    if f"{attention}.q_bias" in names:
        return "q_v"
    return "fused" if f"{attention}.qkv.bias" in names else "plain"


def attention_recipes(
    attention: str, names: Names, width: int
) -> tuple[TensorRecipes, dict[str, str]]:
    """The parts `qkv.weight`, `q_bias`, `v_bias` and `proj`, and what is dropped and why.

    `attention`: the common name's beginning, as in `blocks.3.attn`. Parts that a file ought to
    have and has not are left out.
    """

    def name(inner: str) -> str | None:
        return names.get(f"{attention}.{inner}")

    parts: TensorRecipes = {}
    separate = [name(f"{which}.weight") for which in "qkv"]
    if fused := name("qkv.weight"):
        parts["qkv.weight"] = copy_tensor(fused)
    elif all(separate):
        parts["qkv.weight"] = concat_qkv([found for found in separate if found])
    for which, place in (("q", 0), ("v", 2)):
        if part := _bias(attention, names, which, place, width):
            parts[f"{which}_bias"] = part
    for inner in ("proj.weight", "proj.bias"):
        if found := name(inner):
            parts[inner] = copy_tensor(found)
    keys = name("k.bias")
    return parts, {keys: KEY_BIAS} if keys else {}


def _bias(attention: str, names: Names, which: str, place: int, width: int) -> TensorRecipe | None:
    for inner in (f"{which}_bias", f"{which}.bias"):
        if found := names.get(f"{attention}.{inner}"):
            return copy_tensor(found)
    if fused := names.get(f"{attention}.qkv.bias"):
        return qkv_slice(fused, place)
    beside = {f"{attention}.{other}{end}" for other in "qv" for end in ("_bias", ".bias")}
    if beside & names.keys():
        return None  # the other one is there: this one is missing
    return constant_tensor((width,), 0.0, "no bias in the file")


def convert_qkv(tensors: Mapping[str, Tensor], form: str) -> dict[str, Tensor]:
    """`qkv.weight`, `q_bias`, `v_bias` of one attention in one of FORMS; others as they are.

    Raises ValueError where `form` has no biases and these are not 0.
    """
    kept = {
        name: t for name, t in tensors.items() if name not in ("qkv.weight", "q_bias", "v_bias")
    }
    weight, q_bias, v_bias = (tensors[name] for name in ("qkv.weight", "q_bias", "v_bias"))
    biases = (q_bias, torch.zeros_like(q_bias), v_bias)
    if form == "split":
        for which, part, bias in zip("qkv", weight.chunk(3), biases, strict=True):
            kept |= {f"{which}.weight": part, f"{which}.bias": bias}
        return kept
    kept["qkv.weight"] = weight
    if form == "q_v":
        kept |= {"q_bias": q_bias, "v_bias": v_bias}
    elif form == "fused":
        kept["qkv.bias"] = torch.cat(biases)
    elif q_bias.any() or v_bias.any():
        raise ValueError("its attention has biases, which this layout cannot hold")
    return kept
