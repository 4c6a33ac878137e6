"""A target that is ready to compute: its function, its module and its values."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from encoder.config import EncoderConfig
from pretrain.targets.spec import PretrainingTarget


class PixelStatistics(NamedTuple):
    """What turns predicted values into pixels in 0..1, per tubelet and channel."""

    offset: Float[Tensor, "b k 1 c"]
    scale: Float[Tensor, "b k 1 c"]

    def pixels(self, prediction: Float[Tensor, "b k p"]) -> Float[Tensor, "b k p"]:
        split = rearrange(prediction, "b k (x c) -> b k x c", c=self.scale.shape[-1])
        return rearrange(split * self.scale + self.offset, "b k x c -> b k (x c)")


class Target(NamedTuple):
    """Values to predict, in float32.

    Pixel targets have the statistics of the true tubelets too, which the values do not contain.
    """

    values: Float[Tensor, "b k p"]
    statistics: PixelStatistics | None = None


class BuiltTarget(NamedTuple):
    """The function of a target, called with a clip [b t h w c] and the indices of tokens [b k].

    `module`, a teacher for example, is frozen. It is no part of the model: DeepSpeed does not
    partition it and checkpoints do not hold it.

    `statistics` says how values become pixels: by the same statistics for all tubelets, or by
    those of each tubelet, which a prediction lacks. None: the values are no pixels. Then `draw`
    may give an image: it is called with values and with the true values, both of all tokens
    [b n p], and gives tubelets of pixels in 0..1 [b n q] for the former. The true values are the
    reference for a scale or a basis of colours.
    """

    function: Callable[[Tensor, Tensor], Target]
    module: nn.Module | None = None
    statistics: Literal["fixed", "per_tubelet"] | None = None
    draw: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def has_images(self) -> bool:
        """Whether predictions can be drawn as images."""
        return self.statistics is not None or self.draw is not None

    def compute(self, clip: Shaped[Tensor, "b t h w c"], tokens: Int64[Tensor, "b k"]) -> Target:
        """The target of the tokens, without gradients."""
        with torch.no_grad():
            return self.function(clip, tokens)


def build_target(
    target: PretrainingTarget,
    encoder: EncoderConfig,
    predicted_frames: int | None = None,
    device: torch.device | None = None,
    seed: int = 0,
) -> BuiltTarget:
    """Builds a row; its module is frozen, on the device, and the same on every process.

    The random state is left as it was. `predicted_frames` of each tubelet; None: all.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = target.spec.build(target, encoder, predicted_frames)
    if built.module is not None:
        built.module.requires_grad_(False).eval().to(device)
    return built
