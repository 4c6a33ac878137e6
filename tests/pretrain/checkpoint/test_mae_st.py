"""mae_st's masked autoencoder: its decoder has a class token and learned positions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoder.checkpoint.native_format import load_strictly
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import read_autoencoder, write_autoencoder
from pretrain.checkpoint.infer_config import DecoderOverrides
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.data_config import PretrainDataConfig
from pretrain.loss import build_objective
from pretrain.reconstruction.load import load_autoencoder
from pretrain.reconstruction.reconstruct import reconstruct

SEEDS = Path(__file__).parents[2] / "encoder/checkpoint/fixtures/seeds"
FILE = SEEDS / "public_mae_st_mae.safetensors"
DECODER = DecoderConfig(
    embed_dim=24, depth=2, num_heads=4, pos_embed="separable", class_token=True, embed_bias=True
)


def model() -> MaskedAutoencoder:
    built = MaskedAutoencoder(read_source(FILE, CheckpointOverrides(4)).config, DECODER)
    layout, tensors = read_autoencoder(FILE, CheckpointOverrides(4))
    assert layout == "mae_st"
    load_strictly(built, tensors, FILE)
    return built.eval()


@pytest.mark.parametrize("masking", ["random", "temporal", "center"])
def test_predictions_are_those_of_its_own_code(masking: str) -> None:
    recorded = np.load(SEEDS / "public_mae_st_mae.npz")
    built = model()
    mean, std = (torch.tensor(x) for x in (built.encoder.config.mean, built.encoder.config.std))
    clip = torch.from_numpy(recorded["x"]).permute(0, 2, 3, 4, 1) * std + mean
    hidden = torch.from_numpy(recorded[f"{masking}/mask"]) == 1
    visible, decoded = (
        chosen.nonzero()[:, 1].reshape(len(hidden), -1) for chosen in (~hidden, hidden)
    )
    with torch.no_grad():
        prediction = built(clip, visible, decoded)
        assert prediction.shape[-1] == 2 * 14 * 14 * 3
    if masking == "random":
        expected = torch.from_numpy(recorded["random/pred"])
        expected = expected[hidden].reshape(prediction.shape)
        torch.testing.assert_close(prediction, expected, atol=2e-5, rtol=1e-4)
    else:  # the first and the last token are recorded
        ends = torch.from_numpy(recorded[f"{masking}/pred_first_last"])
        for place, token in ((0, 0), (1, hidden.shape[1] - 1)):
            index = torch.full((len(clip), 1), token)
            with torch.no_grad():
                one = built.decoder(built.encoder(clip, visible).tokens, visible, decoded)
            at = (decoded == index).nonzero()
            for clip_index, column in at.tolist():
                torch.testing.assert_close(
                    one[clip_index, column], ends[clip_index, place], atol=2e-5, rtol=1e-4
                )


def test_other_formats_cannot_hold_it(tmp_path: Path) -> None:
    built = model()
    config = PretrainConfig(
        run="r", data=PretrainDataConfig(source="s"), encoder=built.encoder.config, decoder=DECODER
    )
    write_autoencoder("own", tmp_path / "own.safetensors", built.state_dict(), config)
    again = read_autoencoder(tmp_path / "own.safetensors").tensors
    assert all(torch.equal(again[name], tensor) for name, tensor in built.state_dict().items())
    for layout in ("videomae", "hf"):
        with pytest.raises(ValueError, match="pos_embed separable"):
            write_autoencoder(layout, tmp_path / "out", built.state_dict(), config)


@pytest.mark.parametrize(
    ("name", "kind", "predicted"),
    [
        ("public_mae_st_mae", "standardised_pixels", None),
        ("public_normpix_pred8_mae_st_mae", "normalised_patches", 1),
    ],
)
def test_predictions_and_loss_of_a_loaded_file(name: str, kind: str, predicted: int | None) -> None:
    """The loss of its own code is met only by its own target: pixels, frames and normalisation."""
    recorded = np.load(SEEDS / f"{name}.npz")
    opened = load_autoencoder(
        SEEDS / f"{name}.safetensors", CheckpointOverrides(4), DecoderOverrides(4, kind)
    )
    assert opened.model.decoder.config.predicted_frames == predicted
    mean, std = (torch.tensor(x) for x in (opened.encoder.mean, opened.encoder.std))
    clip = torch.from_numpy(recorded["x"]).permute(0, 2, 3, 4, 1) * std + mean
    hidden = torch.from_numpy(recorded["random/mask"]) == 1
    visible = (~hidden).nonzero()[:, 1].reshape(len(hidden), -1)
    predictions = []

    def predict(*inputs: torch.Tensor) -> torch.Tensor:
        predictions.append(opened.model(*inputs))
        return predictions[0]

    objective = build_objective(opened.encoder, opened.target, opened.loss, predicted)
    result = reconstruct(predict, clip, visible, objective)
    expected = torch.from_numpy(recorded["random/pred"])[hidden].reshape(predictions[0].shape)
    torch.testing.assert_close(predictions[0], expected, atol=2e-5, rtol=1e-4)
    assert float(result.error.mean()) == pytest.approx(float(recorded["random/loss"]), rel=1e-4)


def test_a_decoder_with_joint_positions_is_refused(tmp_path: Path) -> None:
    """Left out, they would make another model of the rest."""
    tensors = load_file(FILE)
    for name in ("spatial", "temporal", "class"):
        del tensors[f"decoder_pos_embed_{name}"]
    tensors["decoder_pos_embed"] = torch.zeros(1, 33, 24)
    save_file(tensors, tmp_path / "joint.safetensors")
    with pytest.raises(CheckpointMismatch, match="decoder_pos_embed belongs to no known decoder"):
        read_autoencoder(tmp_path / "joint.safetensors", CheckpointOverrides(4))
