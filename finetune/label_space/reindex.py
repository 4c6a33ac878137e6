"""Initial weights of a classifier from the rows of a trained one."""

import torch
from jaxtyping import Float
from torch import Tensor

from finetune.label_space.head_rows import NO_ROW, HeadRows
from finetune.label_space.parse import LabelSpaceError


def reindex_head(
    weight: Float[Tensor, "m d"],
    bias: Float[Tensor, " m"],
    rows: HeadRows,
    fresh_weight: Float[Tensor, "k d"],
    fresh_bias: Float[Tensor, " k"],
) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
    """The trained row of each target class, or the row of the fresh head if there is none.

    `weight`, `bias`: the trained head. The result is a copy with the dtype and device of the fresh
    head. Raises LabelSpaceError if the heads do not fit `rows`, or if a row is not finite.
    """
    for tensor, expected, name in (
        (weight, rows.trained, "trained"),
        (fresh_weight, len(rows.rows), "fresh"),
    ):
        if len(tensor) != expected:
            raise LabelSpaceError(
                f"head: the {name} one has {len(tensor)} rows for {expected} classes"
            )
    source = torch.from_numpy(rows.rows).to(fresh_weight.device)
    without_row = source == NO_ROW
    index = source.clamp(min=0)
    new_weight = torch.where(without_row[:, None], fresh_weight, weight.to(fresh_weight)[index])
    new_bias = torch.where(without_row, fresh_bias, bias.to(fresh_bias)[index])
    finite = torch.isfinite(new_weight).all(1) & torch.isfinite(new_bias)
    if not finite.all():
        name = rows.target[int(finite.logical_not().nonzero()[0])]
        raise LabelSpaceError(f"head: the row of {name} is not finite; use another checkpoint")
    return new_weight.detach().clone(), new_bias.detach().clone()
