"""A classifier trained on one label space, as the first weights of one on another."""

import torch
from jaxtyping import Float
from torch import Tensor

from finetune.label_space.head_rows import FRESH, HeadRows
from finetune.label_space.parse import LabelSpaceError


def reindex_head(
    weight: Float[Tensor, "m d"],
    bias: Float[Tensor, " m"],
    rows: HeadRows,
    fresh_weight: Float[Tensor, "k d"],
    fresh_bias: Float[Tensor, " k"],
) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
    """The trained rows of each target class; where it has none, those of the fresh head.

    Copies, of the fresh head's type and device: the logits of classes that were all trained are
    those of the trained head, taken by row. Raises SpaceError where the heads do not fit `rows`,
    or a trained row that is taken is not finite.
    """
    for tensor, wanted, whose in (
        (weight, rows.trained, "trained"),
        (fresh_weight, len(rows.rows), "fresh"),
    ):
        if len(tensor) != wanted:
            raise LabelSpaceError(
                f"head: the {whose} one has {len(tensor)} rows, its classes are {wanted}"
            )
    source = torch.from_numpy(rows.rows).to(fresh_weight.device)
    kept = source == FRESH
    taken = source.clamp(min=0)
    new_weight = torch.where(kept[:, None], fresh_weight, weight.to(fresh_weight)[taken])
    new_bias = torch.where(kept, fresh_bias, bias.to(fresh_bias)[taken])
    good = torch.isfinite(new_weight).all(1) & torch.isfinite(new_bias)
    if not good.all():
        name = rows.target[int(good.logical_not().nonzero()[0])]
        raise LabelSpaceError(f"head: the row of {name} is not finite; take another checkpoint")
    return new_weight.detach().clone(), new_bias.detach().clone()
