"""A recipe's backbone: variants, upstream's names and flags, weights."""

from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from encoder.checkpoint.safe_open import CheckpointMismatch
from finetune.model.backbone import build_backbone, check_backbone, write_backbone
from finetune.model.config import BackboneConfig

CKPT = Path(__file__).parents[2] / "encoder/checkpoint/fixtures/ckpt"
VIDEOMAE = CKPT / "public_videomae_k400_pretrain.pth"
TINY = {"num_heads": 3, "num_frames": 4, "image_size": 32}


def parsed(**fields) -> BackboneConfig:
    return TypeAdapter(BackboneConfig).validate_python(fields)


def test_a_configuration_written_for_upstream_runs() -> None:
    config = parsed(
        variant="unified_base_st",
        all_frames=8,
        img_size=64,
        tubelet_size=2,
        drop_path_rate=0.2,
        init_values=0.1,
        use_mean_pooling=True,
        use_learnable_pos_emb=False,
        qkv_bias=False,
        qkv_divided_bias=True,
        qkv_divided=False,
    )
    with torch.device("meta"):
        encoder = build_backbone(config).encoder
    assert encoder.config.grid == (4, 4, 4) and encoder.config.drop_path == 0.2
    assert encoder.config.pos_embed == "sincos3d" and encoder.config.layer_scale == 0.1
    assert encoder.config.norm == "pooled" and config.attention_form == "q_v"


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        ({}, "q_v"),
        ({"qkv_divided": True, "qkv_bias": True, "qkv_divided_bias": True}, "split"),
        ({"qkv_bias": True, "qkv_divided_bias": True}, "fused"),
        ({"qkv_divided_bias": True}, "q_v"),
        ({"qkv_bias": False}, "plain"),
    ],
)
def test_flags_are_looked_at_in_upstreams_order(flags: dict, form: str) -> None:
    assert parsed(variant="unified_base", **flags).attention_form == form


def test_image_variants_store_attention_as_image_models_do() -> None:
    assert parsed(variant="unified_base_2D").attention_form == "fused"
    assert parsed(variant="unifiedmodel_cls").attention_form == "fused"


def test_patches_of_single_frames_by_flag() -> None:
    config = parsed(variant="unified_small_st", patch_embed_2d=True, num_frames=8, image_size=32)
    with torch.device("meta"):
        encoder = build_backbone(config).encoder
    assert encoder.config.tubelet_size == 1 and encoder.config.grid == (8, 2, 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variant": "unified_bas_st"}, "nearest: unified_base_st"),
        ({"variant": "native"}, "give weights"),
        ({"variant": "unified_base_2D", "patch_embed_2d": False}, "embeds single frames"),
        ({"patch_embed_2d": True, "tubelet_size": 2}, "tubelet_size is 2"),
        ({"frame": 8}, "Unexpected keyword argument"),
        ({"drop_path": 1.5}, "less than 1"),
        ({"overrides": {"heads": 3}}, "Unexpected keyword argument"),
    ],
)
def test_contradictory_settings_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parsed(**fields)


def test_variant_native_is_the_encoder_of_the_checkpoint() -> None:
    config = parsed(variant="native", weights=str(VIDEOMAE), overrides=TINY, drop_path=0.3)
    encoder, report = build_backbone(config)
    assert report is not None and not report.plan.initialised
    assert encoder.config.drop_path == 0.3 and encoder.config.norm == "tokens"
    longer = parsed(variant="native", weights=str(VIDEOMAE), overrides=TINY, num_frames=8)
    assert build_backbone(longer).encoder.config.trained_grid == (2, 2, 2)


def test_a_wrong_size_is_refused_in_one_line() -> None:
    config = parsed(variant="unified_base", weights=str(VIDEOMAE), overrides=TINY)
    with pytest.raises(CheckpointMismatch, match="width 768 and depth 12") as caught:
        build_backbone(config)
    assert str(VIDEOMAE) in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).endswith("; backbone.variant=native takes the encoder as it is")
    with pytest.raises(CheckpointMismatch, match=r"backbone\.variant=native"):
        check_backbone(config)  # which reads no weight


def test_a_check_says_which_weights_it_cannot_compare(tmp_path: Path) -> None:
    assert check_backbone(parsed(variant="native", weights=str(VIDEOMAE), overrides=TINY)) == []
    later = tmp_path / "runs" / "first"
    assert check_backbone(parsed(weights=str(later))) == [
        f"backbone.weights: {later} is no file or folder here yet; not compared"
    ]


@pytest.mark.parametrize("form", ["qkv_bias", "qkv_divided_bias", "qkv_divided"])
def test_a_backbone_is_written_in_the_form_of_its_flags_and_read_again(
    tmp_path: Path, form: str
) -> None:
    names = {
        "qkv_bias": "attn.qkv.bias",
        "qkv_divided_bias": "attn.q_bias",
        "qkv_divided": "attn.q.bias",
    }
    config = parsed(
        variant="native", weights=str(VIDEOMAE), overrides=TINY, drop_path=0.0, **{form: True}
    )
    encoder, _ = build_backbone(config)
    out = tmp_path / "out.pth"
    write_backbone(out, encoder, config)
    written = torch.load(out, weights_only=True)["model"]
    assert f"blocks.0.{names[form]}" in written
    again, report = build_backbone(parsed(**{**vars_of(config), "weights": str(out)}))
    assert report is not None and not report.plan.initialised
    torch.testing.assert_close(again.state_dict(), encoder.state_dict(), atol=0, rtol=0)


def test_a_form_without_biases_is_refused_where_there_are_some(tmp_path: Path) -> None:
    config = parsed(variant="native", weights=str(VIDEOMAE), overrides=TINY, qkv_bias=False)
    encoder, _ = build_backbone(config)
    with pytest.raises(CheckpointMismatch, match="set qkv_divided_bias"):
        write_backbone(tmp_path / "out.pth", encoder, config)
    assert not list(tmp_path.iterdir())


def vars_of(config: BackboneConfig) -> dict:
    return {"variant": config.variant, "overrides": TINY, "drop_path": config.drop_path}


def test_position_embeddings_of_an_image_model_can_be_used() -> None:
    """Upstream replaces them by a table; here they can be used, with a random term for time."""
    file = CKPT / "public_timm_clip_openai.pth"
    config = parsed(
        variant="native",
        weights=str(file),
        overrides={"num_heads": 3},
        num_frames=4,
        pos_embed="separable",
    )
    encoder, report = build_backbone(config)
    held = torch.load(file, weights_only=True)["pos_embed"][0, 1:]
    assert torch.equal(encoder.positions.space.data, held)
    assert report is not None and report.plan.initialised == ("positions.time",)
