"""Masks over the tokens of a clip, as numpy arrays that the workers of the data loader draw.

A generator says which tokens are *hidden*. `DualMasking` converts that once into the indices of the
tokens that the encoder sees (`visible`) and of those that the decoder predicts (`decoded`). Tokens
are ordered by (frame, row, column). Axis letters: `b` clips, `n` tokens, `v` visible tokens, `k`
decoded tokens.

A new mask is one file with a frozen dataclass (see `MaskGenerator`) and one line in `GENERATORS`.
"""

import supported_python  # noqa: F401, I001

from masking.deterministic import Center, Temporal
from masking.dual import Counts, DualMasking, Masks
from masking.grid import Grid
from masking.registry import GENERATORS, MaskGenerator
from masking.running_cell import RunningCell
from masking.uniform import Frame, Random, Tube

__version__ = "0.1.0"

__all__ = [
    "GENERATORS",
    "Center",
    "Counts",
    "DualMasking",
    "Frame",
    "Grid",
    "MaskGenerator",
    "Masks",
    "Random",
    "RunningCell",
    "Temporal",
    "Tube",
]
