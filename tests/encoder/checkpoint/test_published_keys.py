"""Published files at full size, by their tensor names and shapes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from encoder.checkpoint.adapt import DEFAULTS, adapt
from encoder.checkpoint.formats.unified import to_unified
from encoder.checkpoint.parse import SourceEncoder, read_source
from encoder.config import EncoderConfig
from encoder.variants import variant_config
from encoder.vit import VideoEncoder
from tests.encoder.checkpoint.recorded import hollow_file

KEYS = Path(__file__).parent / "fixtures/keys"
SUMMARY = json.loads((KEYS / "summary.json").read_text())


@pytest.fixture
def read(tmp_path: Path) -> Callable[[dict[str, list[int]]], SourceEncoder]:
    """Reads a file of zeros with tensors of these shapes, of the real size."""
    return lambda shapes: read_source(hollow_file(tmp_path / "file.safetensors", shapes))


@pytest.mark.parametrize("file", sorted(KEYS.glob("vitb_*.json")), ids=lambda file: file.stem)
def test_every_tensor_of_a_base_file_is_accounted_for(read, file: Path) -> None:
    shapes = json.loads(file.read_text())
    encoder = read(shapes)
    used = {name for recipe in encoder.recipes.values() for name in recipe.sources}
    assert used | encoder.skipped.keys() == shapes.keys()
    assert (encoder.config.embed_dim, encoder.config.depth, encoder.config.num_heads) == (
        768,
        12,
        12,
    )
    assert encoder.config.image_size == (224, 224)
    assert not adapt(encoder, encoder.config, DEFAULTS).initialised


@pytest.mark.parametrize(
    ("family", "variant"),
    [(family, variant) for family, row in SUMMARY.items() for variant in row["targets"]],
)
def test_as_many_tensors_as_upstream_loads_or_more(read, family: str, variant: str) -> None:
    """CLIP's pre-norm is loaded here; a class token's position is a separate tensor."""
    shapes = json.loads((KEYS / f"vitb_{family}.json").read_text())
    encoder = read(shapes)
    plan = adapt(encoder, variant_config(variant, encoder.config), DEFAULTS)
    sources = {name for recipe in plan.recipes.values() for name in recipe.sources}
    recorded = SUMMARY[family]["targets"][variant]
    assert len(sources) >= recorded["loaded"]
    assert len(shapes) - len(sources) <= recorded["dropped"]
    lost = set(recorded["missing"]) - {"head.weight", "head.bias", "time_embed"}
    if family != "openclip_openai" and "patch_embed.proj.bias" not in lost:
        assert bool(lost) == any(name.startswith("norm.") for name in plan.initialised)


@pytest.mark.parametrize("name", json.loads((KEYS / "target_unified_vitb.json").read_text()))
def test_variants_have_upstreams_tensors(name: str) -> None:
    recorded = json.loads((KEYS / "target_unified_vitb.json").read_text())[name]
    variant = next(
        v
        for v in ("unified_base_2D", "unified_base_st", "unified_base_image", "unified_base")
        if name.startswith(v)
    )
    config = variant_config(variant, EncoderConfig(pre_norm="clip" in name))
    with torch.device("meta"):
        tensors = VideoEncoder(config).state_dict()
        flags = recorded["flags"]
        form = "split" if flags["qkv_divided"] else "fused" if flags["qkv_bias"] else "q_v"
        written = to_unified(tensors, config, form)
    if "clip" in name:
        del written["patch_embed.proj.bias"]
    shapes = {n: list(t.shape) for n, t in written.items()}
    assert shapes == {n: s for n, s in recorded["keys"].items() if not n.startswith("head.")}


@pytest.mark.parametrize(
    ("size", "grid", "heads"),
    [
        ("small_k400", (8, 14, 14), 6),
        ("large_k400", (8, 14, 14), 16),
        ("giant_k710", (8, 16, 16), 16),
    ],
)
def test_every_size_of_videomae_is_known(read, size: str, grid: tuple, heads: int) -> None:
    shapes = json.loads((KEYS / f"public_statedict_v2_finetune_{size}.json").read_text())["keys"]
    encoder = read(shapes)
    assert encoder.detected.name == "videomae_finetuned"
    assert encoder.config.grid == grid and encoder.config.num_heads == heads
    name = f"unified_{size.partition('_')[0]}"
    plan = adapt(encoder, variant_config(name, encoder.config), DEFAULTS)
    assert not plan.initialised and plan.config.patch_size == encoder.config.patch_size


@pytest.mark.parametrize("model", ["mae", "vit_none", "vit_700"])
def test_a_vit_h_of_mae_st_is_read_completely(read, model: str) -> None:
    file = Path(__file__).parent / "fixtures/seeds/vith14_key_inventory.json"
    recorded = json.loads(file.read_text())[model]
    shapes = dict(recorded["non_block"])
    for blocks, count, key in (("blocks", 32, "block0"), ("decoder_blocks", 4, "dec_block0")):
        for i in range(count):
            for name, shape in recorded.get(key, {}).items():
                shapes[name.replace(f"{blocks}.0.", f"{blocks}.{i}.")] = shape
    assert len(shapes) == recorded["n_keys"]
    encoder = read(shapes)
    assert encoder.detected.name == "mae_st" and encoder.config.grid == (8, 16, 16)
    assert (encoder.config.num_heads, encoder.config.patch_size) == (16, 14)
    assert encoder.config.mean == (0.45, 0.45, 0.45)
    used = {name for recipe in encoder.recipes.values() for name in recipe.sources}
    assert used | encoder.skipped.keys() == shapes.keys()
