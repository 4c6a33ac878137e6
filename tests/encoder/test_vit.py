"""The encoder's properties; parity with recorded numbers is in tests/pretrain."""

import pytest
import torch

from encoder.block import Block, DropPath, build_blocks
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder

TINY = EncoderConfig(
    embed_dim=48,
    depth=2,
    num_heads=3,
    patch_size=8,
    num_frames=4,
    image_size=(16, 24),
    drop_path=0.0,
)


def tiny_clip(batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 4, 16, 24, 3), dtype=torch.uint8, generator=generator)


def tiny_encoder() -> VideoEncoder:
    torch.manual_seed(0)
    return VideoEncoder(TINY).eval()


def test_visible_tokens_do_not_depend_on_hidden_pixels() -> None:
    encoder, clip = tiny_encoder(), tiny_clip(1)
    visible = torch.tensor([[0, 3, 11]])
    changed = clip.clone()
    changed[:, 0:2, 0:8, 8:16] = 0  # token 1
    assert torch.equal(encoder(clip, visible).tokens, encoder(changed, visible).tokens)
    assert not torch.equal(encoder(clip).tokens, encoder(changed).tokens)


def test_all_tokens_are_computed_where_none_are_named() -> None:
    encoder, clip = tiny_encoder(), tiny_clip(2)
    everything = torch.arange(12).expand(2, -1)
    torch.testing.assert_close(encoder(clip).tokens, encoder(clip, everything).tokens)


def test_a_clip_does_not_see_its_neighbours() -> None:
    encoder, clip = tiny_encoder(), tiny_clip(3)
    torch.testing.assert_close(
        encoder(clip).tokens[1:2], encoder(clip[1:2]).tokens, atol=1e-5, rtol=1e-5
    )


def test_bytes_and_unit_floats_give_the_same_tokens() -> None:
    encoder, clip = tiny_encoder(), tiny_clip(1)
    torch.testing.assert_close(encoder(clip).tokens, encoder(clip.float() / 255).tokens)


def test_a_clip_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the encoder needs \(4, 16, 24, 3\)"):
        tiny_encoder()(tiny_clip(1)[:, :2])


def test_outputs_of_the_last_tokens_equal_those_of_the_whole_block() -> None:
    torch.manual_seed(0)
    block = Block(24, 3, 4.0).eval()
    torch.nn.init.normal_(block.attn.q_bias)
    torch.nn.init.normal_(block.attn.v_bias)
    x = torch.randn(2, 10, 24)
    torch.testing.assert_close(block(x, 4), block(x)[:, -4:], atol=1e-6, rtol=1e-5)


def test_recomputing_activations_changes_no_gradient() -> None:
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        encoder = VideoEncoder(TINY, recompute)
        encoder(tiny_clip(1)).tokens.square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters()]))
    torch.testing.assert_close(*gradients)


def test_initialisation_is_that_of_the_paper_code() -> None:
    torch.manual_seed(0)
    config = EncoderConfig(size="small")
    encoder = VideoEncoder(config)
    block = encoder.blocks[0]
    assert float(block.attn.qkv.weight.abs().max()) == pytest.approx(
        0.0625, rel=1e-3
    )  # sqrt(6 / 4C)
    assert not block.attn.q_bias.any() and not block.mlp.fc1.bias.any()
    bound = config.tubelet_values**-0.5  # torch's default, as of a convolution
    assert float(encoder.embed.weight.abs().max()) == pytest.approx(bound, rel=1e-3)
    assert encoder.embed.bias.any()


def test_drop_path_grows_over_the_depth() -> None:
    blocks = build_blocks(3, 24, 3, 4.0, 0.2)
    rates = [block.drop_path.rate for block in blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2])


def test_drop_path_drops_whole_samples_and_preserves_the_mean() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3)
    dropped = DropPath(0.25)(x)
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert torch.equal(dropped, dropped[:, :1, :1].expand_as(x))
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(DropPath(0.25).eval()(x), x)
