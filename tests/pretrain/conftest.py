"""The recorded run of VideoMAE V2's own code, in this project's terms, and a complete run."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from encoder.checkpoint.native_format import load_strictly
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.config import EncoderConfig
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import read_autoencoder
from pretrain.config import DecoderConfig
from tests.pretrain.runs import run_alone, words

FIXTURES = Path(__file__).parent / "fixtures"
NAME = "public_tube_runcell"


class Recorded(NamedTuple):
    """Inputs in this project's form, and the outputs of upstream's code."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]
    clip: Tensor  # b t h w c, pixels in 0..1
    visible: Tensor
    decoded: Tensor
    hidden: Tensor  # all tokens that the encoder did not see
    encoder: EncoderConfig
    decoder: DecoderConfig

    def model(self) -> MaskedAutoencoder:
        model = MaskedAutoencoder(self.encoder, self.decoder)
        file = FIXTURES / f"{NAME}_weights.safetensors"
        load_strictly(model, read_autoencoder(file, CheckpointOverrides(num_heads=3)).tensors, file)
        return model


@pytest.fixture(scope="session")
def finished(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete run on one process; tests do not change it."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    done = run_alone(words(operations, run), PYTHONHASHSEED="random")  # a new process
    assert done.returncode == 0, done.stderr
    (run / "output.txt").write_text(done.stdout)
    return run


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    parts = ("inputs_encoder", "decoder_out", "targets")
    tensors: dict[str, Tensor] = {}
    for part in parts:
        tensors |= load_file(FIXTURES / f"{NAME}_{part}.safetensors")
    encoder = EncoderConfig(embed_dim=48, depth=2, num_heads=3, num_frames=8, image_size=64)
    mean, std = (torch.tensor(x).view(3, 1, 1, 1) for x in (encoder.mean, encoder.std))
    clip = (tensors["clip"] * std + mean).permute(0, 2, 3, 4, 1).contiguous()

    def indices(chosen: Tensor) -> Tensor:
        return chosen.nonzero()[:, 1].reshape(len(chosen), -1)

    return Recorded(
        json.loads((FIXTURES / f"{NAME}.json").read_text()),
        tensors,
        clip,
        visible=indices(tensors["encoder_mask"] == 0),
        decoded=indices(tensors["decoder_mask"] == 0),
        hidden=indices(tensors["encoder_mask"] == 1),
        encoder=encoder,
        decoder=DecoderConfig(embed_dim=24, depth=1, num_heads=3),
    )
