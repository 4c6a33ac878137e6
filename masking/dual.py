"""Dual masking: what the encoder sees and what the decoder predicts, as indices."""

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
    """Token indices of a batch, ascending in each sample."""

    visible: Int64[np.ndarray, "b v"]  # the encoder sees these
    decoded: Int64[np.ndarray, "b k"]  # the decoder predicts these


class Counts(NamedTuple):
    """Token counts, the same for every sample."""

    tokens: int
    visible: int
    decoded: int
    loss: int  # decoded and hidden from the encoder


@dataclass(frozen=True, config=STRICT)
class DualMasking:
    """One mask for the encoder and an independent one for the decoder.

    Source: VideoMAE V2 (Wang et al., CVPR 2023), section 3.2. The decoder predicts the tokens that
    its own generator does not hide; without a generator it predicts all tokens that are hidden
    from the encoder, as in VideoMAE. Only tokens hidden from the encoder count in the loss.
    """

    encoder: AnyGenerator = Tube(ratio=0.9)
    """Tokens that are hidden from the encoder."""
    decoder: AnyGenerator | None = RunningCell(ratio=0.5)
    """Tokens that are not decoded; null: all that are hidden from the encoder are decoded."""
    decode_visible: bool = True
    """Decode visible tokens too, as VideoMAE V2 does; they are not part of the loss."""

    def counts(self, grid: Grid) -> Counts:
        """Token counts of every sample; the loss has the decoder's share of the hidden tokens.

        Raises ValueError if a ratio is impossible on this grid, or if the loss has no token.
        """
        tokens, hidden = token_count(grid), self.encoder.hidden_count(grid)
        if self.decoder is None:
            return Counts(tokens, tokens - hidden, hidden, hidden)
        decoded = tokens - self.decoder.hidden_count(grid)
        loss = hidden * decoded // tokens
        if loss == 0:
            raise ValueError(
                f"encoder ratio {self.encoder.ratio} and decoder ratio {self.decoder.ratio} leave "
                f"no token of grid {grid} for the loss; raise the first or lower the second"
            )
        return Counts(tokens, tokens - hidden, decoded if self.decode_visible else loss, loss)

    def draw(
        self,
        grid: Grid,
        rngs: Sequence[np.random.Generator],
        inside: Bool[np.ndarray, "b n"] | None = None,
    ) -> Masks:
        """Draws the masks of a batch, with one random generator per sample.

        It draws the encoder's mask, then the decoder's, then the flips, so the encoder's mask
        does not depend on the decoder's. Flips make the number of decoded tokens exact, both
        among hidden and among visible tokens. Tube with running cell needs no flips if the number
        of frames is a multiple of 4.

        With `inside`, True for tokens inside the field of view, only those are decoded. Raises
        ValueError if fewer than the share `least_inside` of a sample's tokens are inside.
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
                # never above the visible tokens: decoded - floor(hidden * decoded / tokens)
                # = ceil(visible * decoded / tokens)
                wasted = counts.decoded - counts.loss
                decoded = flip_to_count(decoded, wasted, rngs, visible)
            else:
                decoded = decoded & hidden
        return Masks(indices_of(visible, counts.visible), indices_of(decoded, counts.decoded))

    def least_inside(self, grid: Grid) -> float:
        """The share of tokens inside the field of view that suffices for every draw.

        Raises ValueError if this masking must also decode tokens outside of it.
        """
        if self.decoder is None or self.decode_visible:
            raise ValueError(
                "tokens outside the field of view can be excluded only with a decoder mask and "
                "decode_visible: false"
            )
        counts = self.counts(grid)
        return (counts.visible + counts.loss) / counts.tokens

    def _draw_inside(
        self, grid: Grid, rngs: Sequence[np.random.Generator], inside: Bool[np.ndarray, "b n"]
    ) -> Masks:
        """The encoder's mask as without `inside`; the decoder's restricted to it and completed."""
        counts = self.counts(grid)
        assert self.decoder is not None
        hidden = self.encoder.hidden(grid, rngs)
        candidates = hidden & inside
        drawn = ~self.decoder.hidden(grid, rngs) & candidates
        decoded = flip_to_count(drawn, counts.loss, rngs, candidates) & candidates
        return Masks(indices_of(~hidden, counts.visible), indices_of(decoded, counts.loss))
