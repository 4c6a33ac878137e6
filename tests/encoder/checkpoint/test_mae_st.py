"""mae_st's video transformers: separate and joint positions, class token, split attention."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from tests.encoder.checkpoint.recorded import features_of

SEEDS = Path(__file__).parent / "fixtures/seeds"
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def recorded(model: str) -> dict[str, torch.Tensor]:
    stored = np.load(SEEDS / f"public_mae_st_{model}.npz")
    return {name: torch.from_numpy(stored[name]) for name in stored.files}


def test_features_and_attention_of_the_finetuned_model() -> None:
    tensors = recorded("vit")
    encoder, report = load_encoder(
        SEEDS / "public_mae_st_vit.safetensors", overrides=CheckpointOverrides(4)
    )
    output = features_of(encoder, tensors["x"], attention=(-1,))
    torch.testing.assert_close(output.pooled, tensors["cls_feature_normed"], **CLOSE)
    torch.testing.assert_close(output.attention[-1], tensors["last_attn"], **CLOSE)
    assert report.source.detected.name == "mae_st" and not report.plan.initialised
    of_class = output.attention[-1][:, :, 0, 1:].unflatten(-1, output.grid)
    torch.testing.assert_close(of_class, tensors["cls_to_patch_heads"], **CLOSE)


@pytest.mark.parametrize("masking", ["random", "temporal", "center"])
def test_tokens_of_the_pretrained_model_under_its_masks(masking: str) -> None:
    tensors = recorded("mae")
    encoder, _ = load_encoder(
        SEEDS / "public_mae_st_mae.safetensors", overrides=CheckpointOverrides(4)
    )
    latent = tensors[f"{masking}/latent"]
    visible = tensors[f"{masking}/ids_restore"].argsort(1)[:, : latent.shape[1]]
    output = features_of(encoder, tensors["x"], visible=visible)
    torch.testing.assert_close(output.tokens, latent, **CLOSE)


@pytest.mark.parametrize("class_token", [True, False])
def test_joint_positions_are_the_sum_of_separate_ones(tmp_path: Path, class_token: bool) -> None:
    """The same model with one table, as mae_st stores it without sep_pos_embed."""
    state = load_file(SEEDS / "public_mae_st_vit.safetensors")
    space, time = state.pop("pos_embed_spatial"), state.pop("pos_embed_temporal")
    of_class = state.pop("pos_embed_class")
    table = (time[:, :, None] + space[:, None]).flatten(1, 2)
    if class_token:
        state["pos_embed"] = torch.cat((of_class, table), dim=1)
    else:
        del state["cls_token"]
        state["pos_embed"] = table
    save_file(state, tmp_path / "joint.safetensors")
    encoder, report = load_encoder(tmp_path / "joint.safetensors", overrides=CheckpointOverrides(4))
    assert report.source.detected.name == "mae_st_joint"
    assumed = "clips of 16 frames, 28x28 pixels (num_frames)"
    assert report.source.assumptions == (assumed,) and any(assumed in x for x in report.lines())
    told = CheckpointOverrides(4, num_frames=4)
    other = load_encoder(tmp_path / "joint.safetensors", overrides=told)
    assert other.encoder.config.grid == (2, 4, 4) and not other.report.source.assumptions
    assert encoder.config.pos_embed == "learned" and encoder.config.grid == (8, 2, 2)
    assert torch.equal(encoder.positions.tokens.data, table[0])
    if class_token:
        tensors = recorded("vit")
        output = features_of(encoder, tensors["x"])
        torch.testing.assert_close(output.pooled, tensors["cls_feature_normed"], **CLOSE)


def test_the_order_of_tensors_does_not_matter(tmp_path: Path) -> None:
    """Torch files keep the order in which they were written: here the decoder comes first."""
    state = load_file(SEEDS / "public_mae_st_mae.safetensors")
    torch.save(dict(sorted(state.items(), reverse=True)), tmp_path / "file.pth")
    encoder, _ = load_encoder(tmp_path / "file.pth", overrides=CheckpointOverrides(4))
    assert encoder.config.mlp_ratio == 4
