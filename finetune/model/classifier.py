"""The model of finetuning: an encoder and a head, frozen parts, and learning rates by layer."""

import re

from einops import rearrange
from jaxtyping import Shaped
from torch import Tensor, nn

from encoder.vit import VideoEncoder


class Classifier(nn.Module):
    """From clips to the outputs of a head. The segments of a clip are classified together."""

    def __init__(self, encoder: VideoEncoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, clip: Shaped[Tensor, "b *s t h w c"]) -> dict[str, Tensor]:
        """The head's outputs by name: `logits` [b k], and others that its row names."""
        segments = clip.shape[1] if clip.ndim == 6 else 1
        if clip.ndim == 6:
            clip = rearrange(clip, "b s t h w c -> (b s) t h w c")
        outputs: dict[str, Tensor] = self.head(self.encoder(clip), segments)
        return outputs


def training_mode(model: Classifier) -> None:
    """Enables dropout and drop path in the trained parts only."""
    model.train()
    parts = [model.encoder, *model.encoder.blocks]
    for part in parts:
        if not any(parameter.requires_grad for parameter in part.parameters()):
            part.eval()


def layer_of(name: str, depth: int) -> int:
    """The layer of a parameter: 0 before the blocks, `depth` + 1 after them.

    BEiT (Bao et al., 2022), appendix; a pre-norm belongs to layer 0.
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
    """Factor of a parameter's learning rate.

    `layer_decay` is applied once for every layer between the parameter and the output, `backbone`
    once to the whole encoder.
    """
    scale = layer_decay ** (depth + 1 - layer_of(name, depth))
    return scale * (backbone if name.startswith("encoder.") else 1.0)


def freeze_encoder(model: Classifier, blocks: int | None) -> list[str]:
    """Freezes the encoder except its last `blocks` blocks and last norm; None freezes nothing.

    With 0 blocks the norm is frozen too. Returns the names of the trained parameters.
    """
    depth = model.encoder.config.depth
    for name, parameter in model.named_parameters():
        layer = layer_of(name, depth)
        after_blocks = layer > depth and (blocks != 0 or not name.startswith("encoder."))
        parameter.requires_grad = blocks is None or after_blocks or depth - blocks < layer <= depth
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]
