"""Files of every family loaded into the unified variants, compared with the published loader."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoder.checkpoint.adapt import LoadOptions
from encoder.checkpoint.load import load_encoder, load_source
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.variants import VARIANTS, as_variant
from tests.encoder.checkpoint.recorded import cases, features_of, load, names

CONVERSIONS = cases("ckpt", "*__to_*.json")
REFERENCES = cases("ckpt", "*__timm_reference.json")
CLOSE = {"atol": 2e-5, "rtol": 1e-4}
FAMILIES = {
    "videomae_k400_pretrain": "videomae_pretrain",
    "videomae_ssv2_pretrain": "videomae_pretrain",
    "internvideo_hybrid_pretrain": "videomae_pretrain",
    "videomae_finetune_module": "videomae_finetuned",
    "videomaev2_distilled": "videomae_finetuned",
    "umt_k710_pretrain": "umt",
    "mvd_k400_student": "mvd",
    "surgvista_student": "mvd",
    "timm_mae": "image",
    "timm_dino": "image",
    "timm_augreg_in1k": "image",
    "timm_orig_in21k": "image",
    "timm_clip_openai": "clip",
    "openclip_openai": "clip",
    "timesformer_k400": "timesformer",
}
# Names in the published program of newly initialised tensors, whose recorded values are used.
INITIALISED = {
    "fc_norm.weight": "norm.weight",
    "fc_norm.bias": "norm.bias",
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
    "norm_pre.weight": "norm_pre.weight",
    "norm_pre.bias": "norm_pre.bias",
    "patch_embed.proj.bias": "embed.bias",
    "time_embed": "positions.time",
    "cls_token": "class_token.token",
}


@pytest.mark.parametrize("case", CONVERSIONS, ids=names(CONVERSIONS))
def test_features_are_those_of_upstreams_conversion(case: Path) -> None:
    facts, tensors = load(case)
    target, file = facts["target_config"], case.parent / facts["checkpoint"]
    umt = "umt" in file.stem
    frames = target["all_frames"]
    overrides = CheckpointOverrides(
        3, frames // 2 if umt else frames, (32, 32), normalisation="imagenet"
    )
    source = read_source(file, overrides)
    assert source.detected.name == FAMILIES[file.stem.removeprefix("public_")]
    row = facts["target_variant"].split()[0].replace("unified_base", "unified_{}")
    variant = VARIANTS.get(row, VARIANTS["timesformer_{}"])
    wanted = as_variant(variant, source.config, num_frames=frames, image_size=(32, 32))
    if source.detected.name == "clip":  # upstream loses what makes it CLIP
        image = wanted.class_token
        wanted = replace(wanted, pre_norm=image, activation="gelu", norm_eps=1e-6)
    encoder, report = load_source(source, wanted, LoadOptions(allow_missing=("norm_pre.*",)))
    filled = with_recorded(encoder.state_dict(), tensors)
    assert set(report.plan.initialised) <= filled.keys()
    encoder.load_state_dict(filled, strict=False)
    features = features_of(encoder, tensors["input"])
    torch.testing.assert_close(features.pooled, tensors["features"], **CLOSE)


def with_recorded(state: dict, tensors: dict) -> dict:
    """The recorded values of newly initialised parameters, under this project's names."""
    filled = {}
    for name, tensor in tensors.items():
        upstream = name.removeprefix("init.")
        if not name.startswith("init.") or upstream.startswith("head."):
            continue
        if upstream == "pos_embed":
            filled |= {"positions.space": tensor[0, 1:], "class_token.position": tensor[0, 0]}
        else:
            own = INITIALISED.get(upstream, upstream.replace("temporal_fc", "time_proj"))
            filled[own] = tensor.reshape(state[own].shape)
    return filled


@pytest.mark.parametrize("case", REFERENCES, ids=names(REFERENCES))
def test_an_image_model_computes_what_timm_computes(case: Path) -> None:
    """CLIP with its pre-norm, quick GELU, eps 1e-5 and no bias of the patches."""
    facts, tensors = load(case)
    encoder, report = load_encoder(
        case.parent / facts["checkpoint"], overrides=CheckpointOverrides(3)
    )
    features = features_of(encoder, tensors["image"].unsqueeze(2))
    expected = tensors["tokens_cls_first"]
    torch.testing.assert_close(features.class_token, expected[:, 0], **CLOSE)
    torch.testing.assert_close(features.tokens, expected[:, 1:], **CLOSE)
    torch.testing.assert_close(features.pooled, expected[:, 0], **CLOSE)
    assert not report.plan.initialised


def test_formats_of_one_model_give_the_same_encoder() -> None:
    """timm's and open_clip's files of CLIP differ in names alone."""
    for stem in ("timm_clip_openai", "openclip_openai"):
        path = Path(__file__).parent / f"fixtures/ckpt/public_{stem}.pth"
        config = read_source(path, CheckpointOverrides(3)).config
        assert config.pre_norm and config.activation == "quick_gelu" and config.norm_eps == 1e-5
        assert config.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
