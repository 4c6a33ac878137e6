"""The published unified models: equal features from equal weights, and files written for them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from encoder.checkpoint.adapt import DEFAULTS
from encoder.checkpoint.formats.unified import to_unified
from encoder.checkpoint.load import LoadedEncoder, load_source
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.checkpoint.qkv_formats import qkv_format
from tests.encoder.checkpoint.recorded import cases, features_of, load, names

FORWARD = cases("forward", "*.json")
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def loaded(case: Path, folder: Path) -> tuple[LoadedEncoder, dict, dict]:
    facts, tensors = load(case)
    state = {n.removeprefix("state."): t for n, t in tensors.items() if n.startswith("state.")}
    save_file(state, folder / "state.safetensors")
    config = facts["config"]
    overrides = {"num_heads": config["num_heads"], "num_frames": config["all_frames"]}
    overrides |= {"image_size": (config["img_size"],) * 2, "normalisation": "imagenet"}
    if "_st" in case.stem:
        overrides["pos_embed"] = "sincos3d"
    if "clip" in case.stem:  # upstream keeps these where its weights are CLIP's
        overrides |= {"activation": "gelu", "norm_eps": 1e-6}
    source = read_source(folder / "state.safetensors", CheckpointOverrides(**overrides))
    first = config.get("use_mean_pooling") is False
    wanted = replace(source.config, pooling="first") if first else source.config
    return load_source(source, wanted, DEFAULTS), state, tensors


@pytest.mark.parametrize("case", FORWARD, ids=names(FORWARD))
def test_features_are_upstreams(case: Path, tmp_path: Path) -> None:
    (encoder, report), _, tensors = loaded(case, tmp_path)
    assert not report.plan.initialised
    features = features_of(encoder, tensors["input"])
    torch.testing.assert_close(features.pooled, tensors["features"], **CLOSE)


@pytest.mark.parametrize("case", FORWARD, ids=names(FORWARD))
def test_tensors_written_for_unified_models_equal_those_read(case: Path, tmp_path: Path) -> None:
    (encoder, _), state, _ = loaded(case, tmp_path)
    form = qkv_format(state)
    tensors = encoder.state_dict()
    if form == "plain":
        assert not any(t.any() for n, t in tensors.items() if n.endswith(("q_bias", "v_bias")))
    written = to_unified(tensors, encoder.config, form)
    without_head = {n: t for n, t in state.items() if not n.startswith("head.")}
    if "patch_embed.proj.bias" not in state:
        assert not written.pop("patch_embed.proj.bias").any()
    assert written.keys() == without_head.keys()
    for name, tensor in without_head.items():
        expected = tensor.clone()
        if name.endswith("qkv.bias"):  # that of keys cannot change a softmax
            expected.chunk(3)[1].zero_()
        if name.endswith("attn.k.bias"):
            expected.zero_()
        assert torch.equal(written[name], expected), name
