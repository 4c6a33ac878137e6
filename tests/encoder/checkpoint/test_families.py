"""Families and file formats that a plugin adds are detected, loaded, converted and listed."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from encoder.checkpoint.families import FAMILIES, Family
from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.formats.registry import FORMATS
from encoder.checkpoint.formats.unified import to_unified
from encoder.checkpoint.key_map import KeyMap
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.parse import read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.cli import main
from encoder.config import EncoderConfig
from encoder.normalisation import HALF
from encoder.vit import VideoEncoder

TINY = EncoderConfig(embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=32, patch_size=8)
OVERRIDES = CheckpointOverrides(3, 4, (32, 32))
PLUGIN = """
from safetensors.torch import save_file

from encoder.checkpoint.common_tensors import common_tensors, contiguous
from encoder.checkpoint.families import FAMILIES, Family
from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.formats.registry import FORMATS
from encoder.checkpoint.key_map import KeyMap, rename_tensors

KEYS = KeyMap(
    title="LapNet",
    embed="stem.kernel",
    blocks="layers.",
    rows=(("stem.kernel", "patch_embed.proj.weight"), ("stem.", "patch_embed.proj."),
          ("layers.", "blocks.")),
    block_rows=(("ffn.up.", "mlp.fc1."), ("ffn.down.", "mlp.fc2.")),
)


def write(path, tensors, config, metadata):
    renamed = rename_tensors(common_tensors(tensors, config, "fused"), KEYS)
    save_file(contiguous(renamed), path)


FORMATS["lapnet"] = FileFormat(KEYS, write, {"class_token": False})
"""


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    """Random weights under the names of the unified models."""
    torch.manual_seed(0)
    state = {n: torch.randn_like(t) for n, t in VideoEncoder(TINY).state_dict().items()}
    return {n: t.contiguous() for n, t in to_unified(state, TINY, "fused").items()}


def test_a_family_of_known_names_is_one_row(
    tensors: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lap.safetensors"
    save_file({**tensors, "phase_queries": torch.ones(7, 48)}, path)
    with pytest.raises(CheckpointMismatch, match=r"unknown in VideoMAE's encoder \(phase_queries"):
        load_encoder(path, overrides=OVERRIDES)
    row = Family(
        "LapFormer",
        has=("phase_queries",),
        normalisation=HALF,
        fields={"pos_embed": "sincos3d", "norm_eps": 1e-5},
        ignored={"phase_queries": "phase decoder"},
    )
    monkeypatch.setitem(FAMILIES, "lapformer", row)
    encoder, report = load_encoder(path, overrides=OVERRIDES)
    assert report.source.detected.name == "lapformer"
    assert report.plan.skipped == {"phase_queries": "phase decoder"}
    assert not report.plan.initialised
    config = encoder.config
    assert (config.pos_embed, config.norm_eps, config.mean) == ("sincos3d", 1e-5, HALF.mean)
    weight = tensors["blocks.1.mlp.fc1.weight"]
    assert torch.equal(encoder.blocks[1].mlp.fc1.weight, weight)


def test_a_row_that_was_added_last_comes_before_general_rows(
    tensors: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.safetensors"
    save_file(tensors, path)
    assert read_source(path, OVERRIDES).detected.name == "videomae"
    monkeypatch.setitem(FAMILIES, "mine", Family("mine", has=("norm.weight",)))
    assert read_source(path, OVERRIDES).detected.name == "mine"


def test_a_format_of_a_plugin_is_written_read_and_listed(
    tensors: dict[str, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "lapnet_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))  # forgets the plugin afterwards
    source, out = tmp_path / "file.safetensors", tmp_path / "out.safetensors"
    save_file(tensors, source)
    words = ["convert", str(source), str(out), "num_heads=3", "num_frames=4", "image_size=32"]
    with pytest.raises(SystemExit):
        main([*words, "--to", "lapnet"])
    assert "invalid choice: 'lapnet'" in capsys.readouterr().err
    monkeypatch.setitem(FORMATS, "lapnet", None)  # restored afterwards
    del FORMATS["lapnet"]
    assert main([*words, "--to", "lapnet", "--plugins", "lapnet_plugin"]) == 0
    assert "verified: all 30 tensors" in capsys.readouterr().out
    assert "layers.0.ffn.up.weight" in load_file(out)
    assert main(["inspect", str(out), *words[3:]]) == 0
    assert "LapNet" in capsys.readouterr().out


def test_a_plugin_that_does_not_exist_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plugins", "no_such_module", "models"]) == 2
    err = capsys.readouterr().err
    assert "--plugins: no_such_module: ModuleNotFoundError" in err and err.count("\n") == 1


def test_formats_without_a_writer_are_not_offered() -> None:
    row = FORMATS["mmaction"]
    assert isinstance(row, FileFormat) and isinstance(row.key_map, KeyMap) and row.write is None
