"""The masked autoencoder: encoder and decoder under dual masking."""

from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from pretrain.config import DecoderConfig
from pretrain.decoder import Decoder


class MaskedAutoencoder(nn.Module):
    """Predicts the `decoded` tubelets of a clip from its `visible` ones."""

    def __init__(
        self, encoder: EncoderConfig, decoder: DecoderConfig, recompute: bool = False
    ) -> None:
        super().__init__()
        self.encoder = VideoEncoder(encoder, recompute)
        self.decoder = Decoder(decoder, encoder, recompute)

    def forward(
        self,
        clip: Shaped[Tensor, "b t h w c"],
        visible: Int64[Tensor, "b v"],
        decoded: Int64[Tensor, "b k"],
    ) -> Float[Tensor, "b k p"]:
        return self.decoder(self.encoder(clip, visible).tokens, visible, decoded)
