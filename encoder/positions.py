"""Position tables, computed from the grid and never stored in a checkpoint."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def sinusoid_table(tokens: int, dim: int) -> Float[Tensor, "n d"]:
    """Sine at even and cosine at odd columns over the flat token index.

    Attention Is All You Need (Vaswani et al., 2017), section 3.5, applied as in VideoMAE (Tong et
    al., 2022): the index runs over (frame, row, column) as one axis, so a table belongs to its
    grid. Angles are taken in float64: float32 would be off by 1e-4 at the end of a long clip.
    """
    column = np.arange(dim)
    angle = np.arange(tokens)[:, None] / np.power(10000.0, 2 * (column // 2) / dim)
    table = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    return torch.from_numpy(table.astype(np.float32))
