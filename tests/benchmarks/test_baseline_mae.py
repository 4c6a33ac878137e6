"""The baseline that speeds are compared with computes the same loss and gradients."""

import numpy as np
import pytest
import torch
from einops import rearrange

from benchmarks.baseline_mae import BaselineAutoencoder, Tokens
from encoder.config import EncoderConfig
from encoder.patchify import unit_pixels
from masking import DualMasking
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import DecoderConfig
from pretrain.loss import hidden_tokens, token_errors
from pretrain.targets.built import build_target
from pretrain.targets.pixel_targets import NormalisedPixels

ENCODER = EncoderConfig(
    embed_dim=32, depth=2, num_heads=2, patch_size=16, num_frames=4, image_size=64
)
DECODER = DecoderConfig(embed_dim=32, depth=2, num_heads=2)


def same_weights() -> tuple[MaskedAutoencoder, BaselineAutoencoder]:
    torch.manual_seed(0)
    ours, baseline = MaskedAutoencoder(ENCODER, DECODER), BaselineAutoencoder(ENCODER, DECODER)
    weights = {name: torch.randn_like(w) * 0.1 for name, w in ours.state_dict().items()}
    ours.load_state_dict(weights)
    t, h, w = ENCODER.tubelet_shape
    kernel = rearrange(weights["encoder.embed.weight"], "d (t h w c) -> d c t h w", t=t, h=h, w=w)
    baseline.load_state_dict({**weights, "encoder.embed.weight": kernel})
    return ours, baseline


@pytest.mark.parametrize("masking", [DualMasking(), DualMasking(decoder=None)])
def test_loss_and_gradients_are_those_of_pretraining(masking: DualMasking) -> None:
    ours, baseline = same_weights()
    masks = masking.draw(ENCODER.grid, [np.random.default_rng(i) for i in range(3)])
    visible, decoded = (torch.from_numpy(index) for index in masks)
    clip = torch.randint(0, 256, (3, 4, 64, 64, 3), dtype=torch.uint8)
    target = build_target(NormalisedPixels(), ENCODER).compute(clip, decoded)
    prediction = ours(clip, visible, decoded)
    expected = token_errors(prediction, target.values, visible, decoded, ENCODER.tokens).loss()

    hidden = hidden_tokens(visible, ENCODER.tokens)
    decoded_tokens = torch.zeros_like(hidden).scatter_(1, decoded, True)
    normalised = (unit_pixels(clip) - torch.tensor(ENCODER.mean)) / torch.tensor(ENCODER.std)
    loss = baseline.loss(
        rearrange(normalised, "b t h w c -> b c t h w"), Tokens(hidden, decoded_tokens)
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)

    expected.backward()
    loss.backward()
    our_parameters = dict(ours.named_parameters())
    for name, weight in baseline.named_parameters():
        gradient = our_parameters[name].grad
        if name == "encoder.embed.weight":
            weight = rearrange(weight.grad, "d c t h w -> d (t h w c)")
        else:
            weight = weight.grad
        assert torch.allclose(weight, gradient, rtol=1e-3, atol=1e-5), name
