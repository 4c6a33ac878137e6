"""The loss of a batch, its parts, and its baseline."""

from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from encoder.config import EncoderConfig
from pretrain.loss_functions import DEFAULT_LOSS, LossFunction
from pretrain.targets.built import BuiltTarget, Target, build_target
from pretrain.targets.registry import DEFAULT_TARGET
from pretrain.targets.spec import PretrainingTarget

FLAT_BASELINE = 1e-9  # a constant baseline below is that of clips of one colour


class TokenErrors(NamedTuple):
    """The loss of each decoded token, and which tokens count.

    `hidden` is True where the encoder did not see the token. VideoMAE V2 (Wang et al., 2023),
    section 3.2, takes the loss there only, for a visible token can be copied.
    """

    error: Float[Tensor, "b k"]
    hidden: Bool[Tensor, "b k"]

    def loss(self) -> Float[Tensor, ""]:
        return mean_where(self.error, self.hidden)


class Objective(NamedTuple):
    """What the decoder learns to predict, and the loss that measures its error."""

    encoder: EncoderConfig
    target: BuiltTarget
    channels: int | None  # of the target's values; None: every value is one
    loss: LossFunction = DEFAULT_LOSS
    predicted_frames: int | None = None  # of each tubelet; None: all

    def token_errors(
        self,
        prediction: Float[Tensor, "b k p"],
        target: Target,
        visible: Int64[Tensor, "b v"],
        decoded: Int64[Tensor, "b k"],
    ) -> TokenErrors:
        """As the function of this name."""
        tokens = self.encoder.tokens
        return token_errors(prediction, target.values, visible, decoded, tokens, self.loss)

    def baseline_errors(self, target: Target) -> Float[Tensor, "b k"]:
        """The constant baseline's loss of each token."""
        channels = self.channels or target.values.shape[-1]
        return constant_baseline_error(target.values, channels, self.loss)


def build_objective(
    encoder: EncoderConfig,
    target: PretrainingTarget = DEFAULT_TARGET,
    loss: LossFunction = DEFAULT_LOSS,
    predicted_frames: int | None = None,
    device: torch.device | None = None,
    seed: int = 0,
) -> Objective:
    """The objective of these settings, with its target's module, if it has one, on the device."""
    built = build_target(target, encoder, predicted_frames, device, seed)
    channels = target.spec.channels and target.spec.channels(target, encoder)
    return Objective(encoder, built, channels, loss, predicted_frames)


def hidden_tokens(visible: Int64[Tensor, "b v"], tokens: int) -> Bool[Tensor, "b n"]:
    """True at the tokens that are not visible."""
    hidden = torch.ones(len(visible), tokens, dtype=torch.bool, device=visible.device)
    return hidden.scatter_(1, visible, False)


def token_errors(
    prediction: Float[Tensor, "b k p"],
    target: Float[Tensor, "b k p"],
    visible: Int64[Tensor, "b v"],
    decoded: Int64[Tensor, "b k"],
    tokens: int,
    loss: LossFunction = DEFAULT_LOSS,
) -> TokenErrors:
    """The mean loss over the values of each decoded token, in float32."""
    error = loss.errors(prediction.float(), target).mean(dim=-1)
    return TokenErrors(error, hidden_tokens(visible, tokens).gather(1, decoded))


def mean_where(values: Float[Tensor, "b k"], chosen: Bool[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Mean over the chosen entries; not a number where there are none."""
    return (values * chosen).sum() / chosen.sum()


def constant_baseline_error(
    target: Float[Tensor, "b k p"], channels: int, loss: LossFunction = DEFAULT_LOSS
) -> Float[Tensor, "b k"]:
    """The loss of predicting the best constant per channel of each clip: no model that ignores its
    input does better.

    A constant for each clip makes the baseline of a step the same for every size of micro-batch.
    For squared error and normalised pixels without a variance floor it is close to 1.
    """
    clips, tokens, _ = target.shape
    split = rearrange(target, "b k (x c) -> (k x) (b c)", c=channels)
    error = loss.errors(loss.best_constant(split).expand_as(split), split)
    return reduce(error, "(k x) (b c) -> b k", "mean", b=clips, k=tokens)


def outside_view(
    clip: Shaped[Tensor, "b t h w c"],
    decoded: Int64[Tensor, "b k"],
    encoder: EncoderConfig,
    darkness: float,
) -> Bool[Tensor, "b k"]:
    """True where a decoded token lies outside the endoscope's field of view.

    A token lies outside where the mean of its pixels (0..1) is below `darkness` in every frame of
    the clip. The brightest frame decides, so that a passing shadow does not count as border.
    """
    frames, rows, columns = encoder.grid
    mean = reduce(clip, "b t (y h) (x w) c -> b t (y x)", _float_mean, y=rows, x=columns)
    dark = mean.amax(dim=1) < darkness * (255 if clip.dtype == torch.uint8 else 1)
    return dark.repeat(1, frames).gather(1, decoded)


def _float_mean(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Without a copy of the clip in float32."""
    return values.mean(dim=axes, dtype=torch.float32)
