"""Reconstructions of masked clips: the decoder's predictions in the place of hidden tokens."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from encoder.config import Grid
from encoder.patchify import join_tubelets, split_tubelets, unit_pixels
from pretrain.loss import Objective, hidden_tokens
from pretrain.targets.built import PixelStatistics
from pretrain.targets.pixel_values import predicted_part

GREY = 0.5
DISTANCE_POWER = 4  # weights of visible tubelets fall with this power of the distance
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


class Reconstruction(NamedTuple):
    """Clips with pixels in 0..1, of the frames that the decoder predicts, and losses per clip.

    `reconstructed` is made of predictions and of visible pixels only. `with_true_statistics` takes
    mean and standard deviation of each hidden tubelet from the original, since a prediction of
    normalised pixels lacks them; None where the target does not need it.

    For a target that is no pixels, `reconstructed` and `target` are images of its values.
    """

    original: Float[Tensor, "b t h w c"]
    masked: Float[Tensor, "b t h w c"]  # hidden tubelets are grey
    reconstructed: Float[Tensor, "b t h w c"]
    with_true_statistics: Float[Tensor, "b t h w c"] | None
    target: Float[Tensor, "b t h w c"] | None  # None: the original
    error: Float[Tensor, " b"]  # mean loss of hidden tubelets
    baseline: Float[Tensor, " b"]  # of its best constant per channel

    @property
    def difference(self) -> Float[Tensor, "b t h w 1"]:
        """Absolute difference of reconstruction and truth, mean over the channels."""
        truth = self.original if self.target is None else self.target
        return (self.reconstructed - truth).abs().mean(dim=-1, keepdim=True)


def hidden_indices(visible: Int64[Tensor, "b v"], tokens: int) -> Int64[Tensor, "b k"]:
    """The tokens that are not visible, ascending."""
    hidden = hidden_tokens(visible, tokens)
    return hidden.nonzero()[:, 1].reshape(len(visible), -1)


@torch.no_grad()
def reconstruct(
    predict: Predict,
    clip: Shaped[Tensor, "b t h w c"],
    visible: Int64[Tensor, "b v"],
    objective: Objective,
) -> Reconstruction:
    """Decodes every hidden token.

    `predict` is an autoencoder: it gives predictions [b k p] for a clip, the indices of its
    visible tokens and those of its decoded tokens. The target must have images.
    """
    encoder = objective.encoder
    hidden = hidden_indices(visible, encoder.tokens)
    prediction = predict(clip, visible, hidden).float()
    truth = objective.target.compute(clip, hidden)
    frames, shape = predicted_part(clip, encoder, objective.predicted_frames)
    tubelets = unit_pixels(split_tubelets(frames, shape))

    def join(hidden_pixels: Tensor) -> Tensor:
        """The clips with these pixels in the place of hidden tubelets."""
        index = hidden.unsqueeze(-1).expand_as(hidden_pixels)
        return join_tubelets(tubelets.scatter(1, index, hidden_pixels), shape, encoder.grid)

    with_truth = target = None
    if truth.statistics is None:
        reconstructed, target = _draw(objective, clip, hidden, prediction)
    else:
        known = objective.target.compute(clip, visible).statistics
        assert known is not None
        nearby = neighbour_statistics(known, visible, hidden, encoder.grid)
        reconstructed = join(nearby.pixels(prediction).clamp(0, 1))
        if objective.target.statistics == "per_tubelet":
            with_truth = join(truth.statistics.pixels(prediction).clamp(0, 1))
    return Reconstruction(
        join_tubelets(tubelets, shape, encoder.grid),
        join(tubelets.new_full((*hidden.shape, tubelets.shape[-1]), GREY)),
        reconstructed,
        with_truth,
        target,
        objective.token_errors(prediction, truth, visible, hidden).error.mean(dim=1),
        objective.baseline_errors(truth).mean(dim=1),
    )


def _draw(
    objective: Objective, clip: Tensor, hidden: Tensor, prediction: Tensor
) -> tuple[Tensor, Tensor]:
    """Images of predicted values, with true ones at visible tokens, and of true values."""
    encoder, target = objective.encoder, objective.target
    if target.draw is None:
        raise ValueError("this target has no images")
    tokens = torch.arange(encoder.tokens, device=clip.device).expand(len(clip), -1)
    truth = target.compute(clip, tokens).values
    predicted = truth.scatter(1, hidden.unsqueeze(-1).expand_as(prediction), prediction)
    drawn = (target.draw(values, truth).clamp(0, 1) for values in (predicted, truth))
    first, second = (join_tubelets(each, encoder.tubelet_shape, encoder.grid) for each in drawn)
    return first, second


def neighbour_statistics(
    known: PixelStatistics, visible: Int64[Tensor, "b v"], hidden: Int64[Tensor, "b k"], grid: Grid
) -> PixelStatistics:
    """Statistics of hidden tubelets, interpolated from visible ones; near ones weigh more.

    Inverse distance weighting (Shepard, 1968) over frame, row and column of the token grid. No
    hidden pixel is used.
    """
    places = torch.cartesian_prod(*(torch.arange(n, device=visible.device) for n in grid)).float()
    distances = torch.cdist(places[hidden], places[visible])
    weights = distances.pow(-DISTANCE_POWER)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return PixelStatistics(*(torch.einsum("bkv,bvxc->bkxc", weights, values) for values in known))
