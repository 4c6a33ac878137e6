"""`python -m encoder`: output and errors of its commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.native_format import save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch, parse_metadata
from encoder.cli import parse
from encoder.commands import COMMANDS, parse_assignments, run
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder

ROOT = Path(__file__).parents[2]
CKPT = Path(__file__).parent / "checkpoint/fixtures/ckpt"
VIDEOMAE = CKPT / "public_videomae_k400_pretrain.pth"
TINY = ("num_heads=3", "num_frames=4", "image_size=32")


def run_command(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Status, output and errors of a command, in this process."""
    options = parse([str(word) for word in words])
    status = run(COMMANDS[options.command], options)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("file", sorted(CKPT.glob("*.pth")), ids=lambda file: file.stem)
def test_every_checkpoint_can_be_inspected(file: Path, capsys) -> None:
    status, out, err = run_command(capsys, "inspect", file, *TINY)
    assert (status, err) == (0, "")
    assert out.startswith(f"{file}: ")
    labels = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert {"size", "weights", "input", "positions", "output", "skipped"} <= set(labels)
    assert "loaded into a variant:" in out and "unified_*" in out
    assert max(len(line) for line in out.splitlines()[1:]) <= 100


def test_the_module_runs_as_a_program() -> None:
    words = [sys.executable, "-m", "encoder", "inspect", str(VIDEOMAE), *TINY]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "VideoMAE, VideoMAE V2, InternVideo (pretraining)" in done.stdout
    assert "under 'model', prefix encoder." in done.stdout


def test_the_report_of_one_variant(tmp_path: Path, capsys) -> None:
    config = EncoderConfig(size="small", image_size=64)
    file = tmp_path / "encoder.safetensors"
    save_encoder(file, VideoEncoder(config).state_dict(), config)
    status, out, _ = run_command(capsys, "inspect", file, "--variant", "unified_small")
    assert status == 0 and "newly initialised  norm: not in the file" in out
    assert "interpolated from 8x4x4 to 8x14x14 tokens" in " ".join(out.split())
    status, _, err = run_command(capsys, "inspect", file, "--variant", "unified_base")
    assert status == 2 and "use unified_small" in err
    status, _, err = run_command(capsys, "inspect", file, "--variant", "unified_smal")
    assert status == 2 and "nearest: unified_small" in err


def test_json_has_every_tensor(capsys) -> None:
    status, out, _ = run_command(capsys, "inspect", VIDEOMAE, *TINY, "--json")
    described = json.loads(out)
    assert status == 0 and described["family"] == "videomae_pretrain"
    assert described["encoder"]["num_heads"] == 3
    assert described["skipped"]["mask_token"] == "not part of the encoder"


@pytest.mark.parametrize("file_format", ["own", "videomae", "hf", "unified"])
def test_a_file_is_converted_and_read_back(tmp_path: Path, capsys, file_format: str) -> None:
    out = tmp_path / {"hf": "out", "own": "out.safetensors"}.get(file_format, "out.pth")
    status, text, err = run_command(capsys, "convert", VIDEOMAE, out, "--to", file_format, *TINY)
    assert (status, err) == (0, ""), err
    assert f"written to {out}; verified: all 30 tensors read back equal" in text
    if file_format == "own":
        assert parse_metadata(out, "report")["family"] == "videomae_pretrain"


def test_an_image_model_is_converted_for_timm(tmp_path: Path, capsys) -> None:
    file = CKPT / "public_openclip_openai.pth"
    out = tmp_path / "out.safetensors"
    status, text, _ = run_command(capsys, "convert", file, out, "--to", "timm", "num_heads=3")
    assert status == 0 and 'VisionTransformer: {"img_size": [32, 32]' in text
    status, _, err = run_command(
        capsys, "convert", file, tmp_path / "new", "--to", "hf", "num_heads=3"
    )
    assert status == 2 and "--to own or timm" in err and not (tmp_path / "new").exists()


def test_metadata_of_a_run_is_copied(tmp_path: Path, capsys) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    run_command(capsys, "convert", VIDEOMAE, first, *TINY)
    loaded = load_encoder(first).encoder
    save_encoder(second, loaded.state_dict(), loaded.config, recordings=[{"path": "a.mp4"}], step=7)
    third = tmp_path / "c.safetensors"
    status, _, err = run_command(capsys, "convert", second, third)
    assert status == 0, err
    assert parse_metadata(third, "recordings") == [{"path": "a.mp4"}]
    assert parse_metadata(third, "step") == 7


def test_load_options_are_applied_and_reported(tmp_path: Path, capsys) -> None:
    small = EncoderConfig(size="small", image_size=64)
    file, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_encoder(file, VideoEncoder(small).state_dict(), small)
    words = ("convert", file, out, "--variant", "unified_small", "--keep-norm")
    status, text, err = run_command(capsys, *words)
    assert status == 0, err
    assert "norm: now normalises the pooled feature" in text and "initialised" not in text
    status, _, err = run_command(capsys, "inspect", file, "num_heads=6")
    assert status == 2 and "records its whole configuration; leave out num_heads=6" in err


def test_overrides_are_parsed() -> None:
    assert parse_assignments(["num_heads=3", "image_size=224x288", "activation=gelu"]) == {
        "num_heads": 3,
        "image_size": (224, 288),
        "activation": "gelu",
    }
    with pytest.raises(CheckpointMismatch, match="nearest: num_heads"):
        parse_assignments(["num_head=3"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inspect", "nowhere.pth"), "nowhere.pth: no such file"),
        (("inspect", VIDEOMAE, "num_heads=5"), "num_heads 5 does not divide embed_dim 48"),
        (("inspect", VIDEOMAE, "num_heads=-1"), "num_heads: Input should be greater than 0"),
        (
            ("inspect", VIDEOMAE, "normalisation=imagnet"),
            "none of imagenet, half, clip, kinetics; nearest: imagenet",
        ),
        (("inspect", VIDEOMAE), "add num_heads=N"),
        (("inspect", ROOT / "README.md"), "is a text file; give a .safetensors"),
        (("inspect", CKPT), "a folder without a checkpoint"),
        (("models", "vit_s_nine"), "nearest: vit_s_none"),
    ],
)
def test_errors_are_one_line(words: tuple, message: str, capsys) -> None:
    status, out, err = run_command(capsys, *words)
    assert status == 2 and out == "" and err.count("\n") == 1
    assert message in err and "Value error" not in err


def test_models_are_listed(capsys) -> None:
    status, out, _ = run_command(capsys, "models")
    assert status == 0 and len(out.splitlines()) == 36
    assert "vit_s_none" in out and "eminorhan/video-models: s_none.pth" in out
