"""Completions of clips: what the encoder saw, and what the decoder put in the place of the rest."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from encoder.config import EncoderConfig, Grid
from encoder.patchify import join_tubelets, split_tubelets, unit_pixels
from pretrain.config import TargetConfig
from pretrain.loss import constant_baseline_error, hidden_tokens
from pretrain.targets import Statistics, build_target, predicted_part

GREY = 0.5
NEARNESS = 4  # power of the distance by which a visible tubelet counts less
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


class Reconstruction(NamedTuple):
    """Clips in pixels of 0..1, of the frames that the decoder predicts; errors of each clip.

    `completed` is made of the prediction and of visible pixels alone. `with_truth` takes each
    hidden tubelet's mean and deviation from the original, which a prediction of normalised pixels
    does not tell; None where the target has none.
    """

    original: Float[Tensor, "b t h w c"]
    seen: Float[Tensor, "b t h w c"]  # hidden tubelets are grey
    reconstructed: Float[Tensor, "b t h w c"]
    with_truth: Float[Tensor, "b t h w c"] | None
    error: Float[Tensor, " b"]  # mean square over the hidden tubelets, as in the loss
    trivial: Float[Tensor, " b"]  # that of the best constant

    @property
    def difference(self) -> Float[Tensor, "b t h w 1"]:
        """Absolute, of the completed clip and the original, mean over the channels."""
        return (self.reconstructed - self.original).abs().mean(dim=-1, keepdim=True)


def hidden_indices(visible: Int64[Tensor, "b v"], tokens: int) -> Int64[Tensor, "b k"]:
    """The tokens that are not visible, ascending."""
    hidden = hidden_tokens(visible, tokens)
    return hidden.nonzero()[:, 1].reshape(len(visible), -1)


@torch.no_grad()
def reconstruct(
    predict: Predict,
    clip: Shaped[Tensor, "b t h w c"],
    visible: Int64[Tensor, "b v"],
    encoder: EncoderConfig,
    config: TargetConfig,
    predicted_frames: int | None = None,
) -> Reconstruction:
    """Decodes every token that the encoder does not see.

    `predict` is an autoencoder: prediction [b k p] of a clip, its visible and its decoded tokens.
    """
    hidden = hidden_indices(visible, encoder.tokens)
    prediction = predict(clip, visible, hidden).float()
    truth, known = (
        build_target(clip, index, encoder, config, predicted_frames) for index in (hidden, visible)
    )
    borrowed = neighbour_statistics(known.statistics, visible, hidden, encoder.grid)

    frames, shape = predicted_part(clip, encoder, predicted_frames)
    tubelets = unit_pixels(split_tubelets(frames, shape))

    def joined(pixels: Tensor) -> Tensor:
        index = hidden.unsqueeze(-1).expand_as(pixels)
        return join_tubelets(tubelets.scatter(1, index, pixels), shape, encoder.grid)

    normalised = config.kind.startswith("normalised")
    return Reconstruction(
        join_tubelets(tubelets, shape, encoder.grid),
        joined(torch.full_like(prediction, GREY)),
        joined(borrowed.pixels(prediction).clamp(0, 1)),
        joined(truth.statistics.pixels(prediction).clamp(0, 1)) if normalised else None,
        (prediction - truth.values).square().mean(dim=(1, 2)),
        constant_baseline_error(truth.values, encoder.channels).mean(dim=1),
    )


def neighbour_statistics(
    known: Statistics, visible: Int64[Tensor, "b v"], hidden: Int64[Tensor, "b k"], grid: Grid
) -> Statistics:
    """Mean and deviation for hidden tubelets from visible ones, the more the nearer they are.

    Inverse distance weighting (Shepard, 1968) over frame, row and column of the token grid; no
    hidden pixel has a part in it.
    """
    places = torch.cartesian_prod(*(torch.arange(n, device=visible.device) for n in grid)).float()
    apart = torch.cdist(places[hidden], places[visible])
    weights = apart.pow(-NEARNESS)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return Statistics(*(torch.einsum("bkv,bvxc->bkxc", weights, values) for values in known))
