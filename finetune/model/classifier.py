"""The network of finetuning: an encoder, a head, and which of their parameters train how fast."""

import re

from einops import rearrange
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from encoder.vit import VideoEncoder
from finetune.model.heads import PooledHead


class Classifier(nn.Module):
    """Clips to logits. A clip with an axis of segments is judged by all of them together."""

    def __init__(self, encoder: VideoEncoder, head: PooledHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, clip: Shaped[Tensor, "b *s t h w c"]) -> Float[Tensor, "b k"]:
        segments = clip.shape[1] if clip.ndim == 6 else 1
        if clip.ndim == 6:
            clip = rearrange(clip, "b s t h w c -> (b s) t h w c")
        return self.head(self.encoder(clip), segments)


def training_mode(model: Classifier) -> None:
    """Dropout and drop path in what is trained, and in nothing that is frozen."""
    model.train()
    parts = [model.encoder, *model.encoder.blocks]
    for part in parts:
        if not any(parameter.requires_grad for parameter in part.parameters()):
            part.eval()


def layer_of(name: str, depth: int) -> int:
    """The layer that a parameter belongs to: 0 before the blocks, `depth` + 1 behind them.

    BEiT (Bao et al., 2022), appendix; a pre-norm stands before the blocks.
    """
    inner = name.removeprefix("encoder.")
    if inner == name:
        return depth + 1
    block = re.match(r"blocks\.(\d+)\.", inner)
    if block:
        return int(block[1]) + 1
    return depth + 1 if inner.startswith("norm.") else 0


def learning_rate_scale(
    name: str, depth: int, layer_decay: float = 1.0, backbone: float = 1.0
) -> float:
    """What the learning rate of a parameter is multiplied with.

    `layer_decay`: once for every layer between it and the output; `backbone`: of the whole
    encoder.
    """
    scale = layer_decay ** (depth + 1 - layer_of(name, depth))
    return scale * (backbone if name.startswith("encoder.") else 1.0)


def freeze_encoder(model: Classifier, blocks: int | None) -> list[str]:
    """Freezes all of the encoder but its last `blocks` blocks and last norm; None freezes nothing.

    Returns the names of what is trained.
    """
    depth = model.encoder.config.depth
    for name, parameter in model.named_parameters():
        layer = layer_of(name, depth)
        behind = layer > depth and (blocks != 0 or not name.startswith("encoder."))
        parameter.requires_grad = blocks is None or behind or depth - blocks < layer <= depth
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]
