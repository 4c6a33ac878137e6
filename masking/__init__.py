"""Masks over the tokens of a clip, as numpy arrays drawn in the dataloader's workers.

A generator returns which tokens are *hidden*; `DualMasking` converts this into indices of the
tokens that the encoder sees (`visible`) and the decoder predicts (`decoded`). Tokens are ordered by
(frame, row, column). Axis letters: `b` clips, `n` tokens, `v` visible tokens, `k` decoded tokens.

A new mask is one file with a frozen dataclass (see `MaskGenerator`) and one line in `GENERATORS`.
"""

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
