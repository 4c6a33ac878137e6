"""Dual masking: indices of the tokens that the encoder sees and that the decoder predicts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64
from pydantic.dataclasses import dataclass

from masking.exact_counts import flip_to_count, indices_of
from masking.grid import STRICT, Grid, token_count
from masking.registry import AnyGenerator
from masking.running_cell import RunningCell
from masking.uniform import Tube


class Masks(NamedTuple):
    """Token indices of a batch, ascending within each sample."""

    visible: Int64[np.ndarray, "b v"]  # the encoder sees these
    decoded: Int64[np.ndarray, "b k"]  # the decoder predicts these


class Counts(NamedTuple):
    """Numbers of tokens, which are the same for every sample and every draw."""

    tokens: int
    visible: int
    decoded: int
    loss: int  # decoded and hidden from the encoder


@dataclass(frozen=True, config=STRICT)
class DualMasking:
    """One mask for the encoder and an independent one for the decoder.

    Source: VideoMAE V2 (Wang et al., CVPR 2023), section 3.2. The decoder predicts the tokens that
    its own generator does not hide. Without a generator it predicts all tokens that the encoder
    does not see, which is the objective of VideoMAE. Only tokens hidden from the encoder count in
    the loss.
    """

    encoder: AnyGenerator = Tube(ratio=0.9)
    """Tokens that are hidden from the encoder."""
    decoder: AnyGenerator | None = RunningCell(ratio=0.5)
    """Tokens that are not decoded; null: all that are hidden from the encoder are decoded."""
    decode_visible: bool = True
    """Decode visible tokens too, as VideoMAE V2 does; they are not part of the loss."""

    def counts(self, grid: Grid) -> Counts:
        """The counts of every sample; of the hidden tokens, the decoder's share is in the loss.

        Raises ValueError if the grid does not allow a ratio, or if no token is left for the loss.
        """
        tokens, hidden = token_count(grid), self.encoder.hidden_count(grid)
        if self.decoder is None:
            return Counts(tokens, tokens - hidden, hidden, hidden)
        shown = tokens - self.decoder.hidden_count(grid)
        loss = hidden * shown // tokens
        if loss == 0:
            raise ValueError(
                f"encoder ratio {self.encoder.ratio} and decoder ratio {self.decoder.ratio} leave "
                f"no token of grid {grid} for the loss; raise the first or lower the second"
            )
        return Counts(tokens, tokens - hidden, shown if self.decode_visible else loss, loss)

    def draw(
        self,
        grid: Grid,
        rngs: Sequence[np.random.Generator],
        inside: Bool[np.ndarray, "b n"] | None = None,
    ) -> Masks:
        """Masks of a batch, with one random generator per sample.

        Each generator draws the encoder's mask first, then the decoder's, then flips, so the
        encoder's mask does not depend on the decoder's. Flips bring the numbers of decoded tokens,
        among the hidden and among the visible ones, to their exact counts. Tube and running cell
        need no flips if the number of token frames is a multiple of 4.

        With `inside`, the tokens inside the field of view, no other token is decoded. Raises
        ValueError if less than a share of `least_inside` of a sample is inside.
        """
        if inside is not None:
            return self._draw_inside(grid, rngs, inside)
        counts = self.counts(grid)
        hidden = self.encoder.hidden(grid, rngs)
        visible = ~hidden
        if self.decoder is None:
            decoded = hidden
        else:
            decoded = flip_to_count(~self.decoder.hidden(grid, rngs), counts.loss, rngs, hidden)
            if self.decode_visible:
                # never above the visible tokens: shown - floor(hidden * shown / tokens)
                # = ceil(visible * shown / tokens)
                decoded_visible = counts.decoded - counts.loss
                decoded = flip_to_count(decoded, decoded_visible, rngs, visible)
            else:
                decoded = decoded & hidden
        return Masks(indices_of(visible, counts.visible), indices_of(decoded, counts.decoded))

    def least_inside(self, grid: Grid) -> float:
        """The share of tokens inside the field of view that is enough for every draw.

        Raises ValueError if the masks decode all hidden or all visible tokens, inside or not.
        """
        if self.decoder is None or self.decode_visible:
            raise ValueError(
                "tokens outside the field of view can be left out only with a decoder mask and "
                "decode_visible: false"
            )
        counts = self.counts(grid)
        return (counts.visible + counts.loss) / counts.tokens

    def _draw_inside(
        self, grid: Grid, rngs: Sequence[np.random.Generator], inside: Bool[np.ndarray, "b n"]
    ) -> Masks:
        """As `draw`; decoded tokens outside the field of view are replaced by others inside it."""
        counts = self.counts(grid)
        assert self.decoder is not None
        hidden = self.encoder.hidden(grid, rngs)
        allowed = hidden & inside
        shown = ~self.decoder.hidden(grid, rngs) & allowed
        decoded = flip_to_count(shown, counts.loss, rngs, allowed) & allowed
        return Masks(indices_of(~hidden, counts.visible), indices_of(decoded, counts.loss))
