"""The encoder in a file adapted to another one: tensors changed, skipped, newly initialised."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoder.checkpoint.adapt import LoadOptions
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.load_report import LoadReport
from encoder.checkpoint.native_format import save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from encoder.pos_embed import resize_positions
from encoder.variants import VARIANTS, as_variant, variant_config
from encoder.vit import VideoEncoder

VIDEO = EncoderConfig(embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=32, patch_size=8)
IMAGE = as_variant(VARIANTS["unified_{}_image"], VIDEO, num_frames=1)


@pytest.fixture
def saved(tmp_path: Path):
    """Writes an encoder of random weights as this project's own file."""

    def save(config: EncoderConfig) -> tuple[Path, dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        tensors = {n: torch.randn_like(t) for n, t in VideoEncoder(config).state_dict().items()}
        save_encoder(tmp_path / "file.safetensors", tensors, config)
        return tmp_path / "file.safetensors", tensors

    return save


def text_of(report: LoadReport) -> str:
    return " ".join(str(report).split())


def test_learned_positions_are_interpolated_in_space_and_time(saved) -> None:
    trained = replace(IMAGE, num_frames=4)
    path, tensors = saved(trained)
    wanted = replace(trained, num_frames=6, image_size=(32, 48))
    encoder, report = load_encoder(path, wanted)
    space = resize_positions(tensors["positions.space"], (1, 4, 4), (1, 4, 6))
    torch.testing.assert_close(encoder.positions.space.data, space)
    time = resize_positions(tensors["positions.time"], (4, 1, 1), (6, 1, 1))
    torch.testing.assert_close(encoder.positions.time.data, time)
    assert "positions.space: interpolated from 4x4 to 4x6" in text_of(report)
    assert "positions.time: interpolated from 4 to 6" in text_of(report)


def test_joint_positions_are_interpolated_without_the_class_token(saved) -> None:
    trained = replace(VIDEO, pos_embed="learned", class_token=True)
    path, tensors = saved(trained)
    encoder, _ = load_encoder(path, replace(trained, num_frames=8))
    expected = resize_positions(tensors["positions.tokens"], (2, 4, 4), (4, 4, 4))
    torch.testing.assert_close(encoder.positions.tokens.data, expected)
    assert torch.equal(encoder.class_token.position, tensors["class_token.position"])


def test_computed_positions_are_interpolated_from_the_trained_grid(saved) -> None:
    path, _ = saved(VIDEO)
    encoder, report = load_encoder(path, replace(VIDEO, num_frames=8))
    assert encoder.config.trained_grid == (2, 4, 4)
    original = VideoEncoder(VIDEO).positions(None)[0]
    expected = resize_positions(original, (2, 4, 4), (4, 4, 4))
    torch.testing.assert_close(encoder.positions(None)[0], expected)
    assert "sinusoid table interpolated from 2x4x4 to 4x4x4 tokens" in text_of(report)
    same, _ = load_encoder(path, VIDEO)
    assert same.config.trained_grid is None


def test_an_encoder_that_was_interpolated_keeps_its_positions_when_saved(
    saved, tmp_path: Path
) -> None:
    path, _ = saved(VIDEO)
    encoder, _ = load_encoder(path, replace(VIDEO, num_frames=8))
    save_encoder(tmp_path / "next.safetensors", encoder.state_dict(), encoder.config)
    again, _ = load_encoder(tmp_path / "next.safetensors")
    assert torch.equal(again.positions(None), encoder.positions(None))
    shorter, _ = load_encoder(tmp_path / "next.safetensors", replace(again.config, num_frames=4))
    assert torch.equal(shorter.positions(None), VideoEncoder(VIDEO).positions(None))


def test_learned_positions_can_be_initialised_from_the_table(saved) -> None:
    path, _ = saved(VIDEO)
    encoder, report = load_encoder(path, replace(VIDEO, pos_embed="learned"))
    assert torch.equal(encoder.positions.tokens.data, VideoEncoder(VIDEO).positions(None)[0])
    assert "initialised from the sinusoid table" in text_of(report)


@pytest.mark.parametrize("rule", ["average", "center"])
def test_patches_of_one_frame_are_inflated(saved, rule: str) -> None:
    path, tensors = saved(IMAGE)
    wanted = as_variant(VARIANTS["unified_{}_2D_3D"], IMAGE, num_frames=8, image_size=(32, 32))
    encoder, report = load_encoder(path, wanted, options=LoadOptions(inflation=rule))
    first, second = encoder.embed.weight.data.chunk(2, dim=1)
    half = tensors["embed.weight"] / 2
    expected = (half, half) if rule == "average" else (torch.zeros_like(half), 2 * half)
    torch.testing.assert_close((first, second), expected)
    assert f"inflated from 1 frame to 2 ({rule})" in text_of(report)


def test_a_norm_of_tokens_can_be_used_for_the_pooled_feature(saved) -> None:
    path, tensors = saved(VIDEO)
    wanted = replace(VIDEO, norm="pooled")
    encoder, report = load_encoder(path, wanted)
    assert torch.equal(encoder.norm.weight.data, torch.ones(48))
    assert "newly initialised norm: not in the file" in text_of(report)
    assert "it normalises every token, but the wanted encoder" in text_of(report)
    kept, report = load_encoder(path, wanted, options=LoadOptions(keep_norm=True))
    assert torch.equal(kept.norm.weight.data, tensors["norm.weight"])
    assert not report.plan.initialised


def test_every_tensor_is_in_the_report(saved) -> None:
    path, tensors = saved(IMAGE)
    wanted = as_variant(VARIANTS["unified_{}"], IMAGE, num_frames=8, image_size=(32, 32))
    encoder, report = load_encoder(path, wanted)
    described = report.as_dict()
    sources = {name for entry in described["loaded"].values() for name in entry["from"]}
    assert sources | set(described["skipped"]) == tensors.keys()
    assert set(described["loaded"]) | set(described["initialised"]) == encoder.state_dict().keys()


def test_temporal_attention_is_a_copy_of_spatial_attention(saved) -> None:
    path, tensors = saved(IMAGE)
    wanted = as_variant(VARIANTS["timesformer_{}"], IMAGE, num_frames=4, image_size=(32, 32))
    encoder, report = load_encoder(path, wanted)
    for i, block in enumerate(encoder.blocks):
        weight = tensors[f"blocks.{i}.attn.qkv.weight"]
        assert torch.equal(block.time_attn.qkv.weight, weight)
        assert torch.equal(block.space.attn.qkv.weight, weight)
        assert torch.equal(block.time_norm.weight, tensors[f"blocks.{i}.norm1.weight"])
        assert bool(block.time_proj.weight.any()) == (i == 0)
    assert "copied from spatial attention" in text_of(report)


def test_missing_tensors_are_initialised_as_in_a_new_encoder(saved) -> None:
    path, _ = saved(VIDEO)
    wanted = replace(VIDEO, layer_scale=0.1, class_token=True, norm="pooled")
    encoder, report = load_encoder(path, wanted)
    assert torch.equal(encoder.blocks[1].scale2.data, torch.full((48,), 0.1))
    assert 0.01 < encoder.class_token.token.std() < 0.03
    assert not any(parameter.is_meta for parameter in encoder.parameters())
    assert {name.partition(".")[0] for name in report.plan.initialised} == {
        "class_token",
        "norm",
        "blocks",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 3}, r"13 of the 43 tensors.*blocks\.2\.norm1\.weight.*would be random"),
        ({"depth": 1}, r"13 of its 30 tensors do not fit \(blocks.1.*is not a tensor"),
        (
            {"embed_dim": 96},
            r"30 of its 30 .*embed.bias is 48, the encoder needs 96, \.\.\.",
        ),
        ({"patch_size": 16}, "patches of 8 pixels and 3 channels, the wanted encoder 16 and 3"),
        ({"tubelet_size": 1}, "tubelets of 2 frames cannot become tubelets of 1"),
        ({"tubelet_size": 4}, "tubelets of 2 frames cannot become tubelets of 4"),
        ({"pre_norm": True}, "norm_pre.weight, norm_pre.bias.*would be random"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(saved, changes: dict, message: str) -> None:
    path, _ = saved(VIDEO)
    with pytest.raises(CheckpointMismatch, match=message) as caught:
        load_encoder(path, replace(VIDEO, **changes))
    assert "\n" not in str(caught.value)


def test_tensors_allowed_by_name_are_initialised_and_reported(saved) -> None:
    path, tensors = saved(VIDEO)
    options = LoadOptions(allow_missing=("blocks.2.*",))
    encoder, report = load_encoder(path, replace(VIDEO, depth=3), options=options)
    assert torch.equal(encoder.blocks[1].mlp.fc1.weight, tensors["blocks.1.mlp.fc1.weight"])
    assert encoder.blocks[2].mlp.fc1.weight.abs().max() < 1  # Xavier, not the file's normal values
    assert all(name.startswith("blocks.2.") for name in report.plan.initialised)
    _, report = load_encoder(
        path, replace(VIDEO, depth=1), options=LoadOptions(allow_missing=("blocks.1.*",))
    )
    assert "blocks.*" in text_of(report) and "does not fit; allowed by name" in text_of(report)


def test_divided_attention_does_not_become_joint(saved) -> None:
    divided = as_variant(VARIANTS["timesformer_{}"], VIDEO, num_frames=4)
    path, _ = saved(divided)
    with pytest.raises(CheckpointMismatch, match="use a timesformer variant"):
        load_encoder(path, replace(IMAGE, num_frames=4))
    again, _ = load_encoder(path)
    assert again.config == divided


def test_the_wrong_size_is_named_with_the_right_one() -> None:
    trained = EncoderConfig(size="large")
    with pytest.raises(ValueError, match=r"width 768 and depth 12.*use unified_large_st"):
        variant_config("unified_base_st", trained)
