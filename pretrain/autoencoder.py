"""The masked autoencoder: encoder and decoder under dual masking."""

from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from pretrain.config import DecoderConfig
from pretrain.decoder import Decoder
from pretrain.targets.registry import DEFAULT_TARGET
from pretrain.targets.spec import PretrainingTarget, values_per_token


class MaskedAutoencoder(nn.Module):
    """Predicts the target of a clip's `decoded` tokens from its `visible` ones.

    `recompute` saves memory: activations are computed again in the backward pass.
    """

    def __init__(
        self,
        encoder: EncoderConfig,
        decoder: DecoderConfig,
        target: PretrainingTarget = DEFAULT_TARGET,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        outputs = values_per_token(target, encoder, decoder.predicted_frames)
        self.encoder = VideoEncoder(encoder, recompute)
        self.decoder = Decoder(decoder, encoder, outputs, recompute)

    def forward(
        self,
        clip: Shaped[Tensor, "b t h w c"],
        visible: Int64[Tensor, "b v"],
        decoded: Int64[Tensor, "b k"],
    ) -> Float[Tensor, "b k p"]:
        return self.decoder(self.encoder(clip, visible).tokens, visible, decoded)
