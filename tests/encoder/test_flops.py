"""What an encoder computes, against the operations that torch counts."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from encoder.config import EncoderConfig
from encoder.flops import encoder_macs
from encoder.vit import VideoEncoder


@pytest.mark.parametrize("attention", ["joint", "divided"])
def test_products_are_those_that_torch_counts(attention: str) -> None:
    config = EncoderConfig(
        embed_dim=48,
        depth=3,
        num_heads=3,
        num_frames=8,
        image_size=64,
        attention=attention,
    )
    encoder = VideoEncoder(config).eval()
    # some versions of torch do not count the fused attention of CPUs; all count its products
    math = sdpa_kernel(SDPBackend.MATH)
    with math, FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(2, 8, 64, 64, 3, dtype=torch.uint8))
    counted = counter.get_total_flops() / 2 / 2  # two clips, two operations a product
    assert sum(encoder_macs(config, config.tokens)) == pytest.approx(counted, rel=0.02)
