"""Parameter counts and tensors of every size, on the meta device, against upstream's lists."""

import json
from pathlib import Path

import pytest
import torch

from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from masking import DualMasking, RunningCell
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.decoder_names import to_layout
from pretrain.config import DecoderConfig
from pretrain.flops import forward_cost

FIXTURES = Path(__file__).parent / "fixtures"
COUNTS = {  # whole autoencoder with 4 decoder blocks, encoder alone
    "small": (24_029_376, 21_879_936),
    "base": (94_210_944, 86_227_200),
    "large": (317_782_016, 303_860_736),
    "huge": (645_659_392, 631_607_040),
    "giant": (1_026_306_560, 1_011_610_752),
}


def build(size: str) -> MaskedAutoencoder:
    with torch.device("meta"):
        return MaskedAutoencoder(EncoderConfig(size=size), DecoderConfig(size=size))


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("size", COUNTS)
def test_parameter_counts(size: str) -> None:
    model = build(size)
    assert (parameters(model), parameters(model.encoder)) == COUNTS[size]


@pytest.mark.parametrize(
    ("file", "size"),
    [(f"v2_pretrain_{size}", size) for size in COUNTS] + [("v1_pretrain_base", "base")],
)
def test_tensors_of_videomae(file: str, size: str) -> None:
    recorded = json.loads((FIXTURES / f"public_statedict_{file}_decdepth4.json").read_text())[
        "keys"
    ]
    ours = to_layout(build(size).state_dict(), "videomae", EncoderConfig(size=size))
    assert {name: list(tensor.shape) for name, tensor in ours.items()} == recorded


def test_tensors_of_hugging_face() -> None:
    file = FIXTURES / "public_statedict_hf_videomae_base_pretraining.json"
    ours = to_layout(build("base").state_dict(), "hf", EncoderConfig(size="base"))
    shapes = {name: list(tensor.shape) for name, tensor in ours.items()}
    assert shapes == json.loads(file.read_text())


def test_any_geometry_can_be_built() -> None:
    config = EncoderConfig(
        size="small",
        num_frames=12,
        tubelet_size=3,
        patch_size=16,
        image_size=(96, 160),
        channels=1,
        mean=(0.5,),
        std=(0.25,),
    )
    encoder = VideoEncoder(config)
    clip = torch.zeros(1, 12, 96, 160, 1, dtype=torch.uint8)
    assert encoder(clip).tokens.shape == (1, 4 * 6 * 10, 384)


# Forward multiply-accumulates of the paper code with these masks, in units of 1e9: encoder, and
# what remains of the whole when embedding and the last block do only what is needed.
@pytest.mark.parametrize(
    ("size", "paper"), [("base", 24.2), ("large", 66.1), ("huge", 119.3), ("giant", 238.6)]
)
def test_cost_is_below_that_of_the_paper_by_the_last_block(size: str, paper: float) -> None:
    encoder, decoder = EncoderConfig(size=size), DecoderConfig(size=size)
    counts = DualMasking(decoder=RunningCell(ratio=0.5)).counts(encoder.grid)
    cost = forward_cost(encoder, decoder, counts)
    width, inner = decoder.embed_dim, int(decoder.embed_dim * decoder.mlp_ratio)
    sequence = counts.visible + counts.decoded
    skipped = counts.visible * (2 * width**2 + 2 * sequence * width + 2 * width * inner)
    assert (cost.total + skipped) / 1e9 == pytest.approx(paper, abs=0.06)


def test_cost_of_the_encoder_of_base() -> None:
    encoder, decoder = EncoderConfig(size="base"), DecoderConfig(size="base")
    cost = forward_cost(encoder, decoder, DualMasking().counts(encoder.grid))
    assert cost.encoder / 1e9 == pytest.approx(14.1, abs=0.05)
    assert cost.training_flops == 6 * cost.total
