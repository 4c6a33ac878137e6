"""One file of whole weights, from a run trained by two processes, without its code's world."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from launch.cli import main
from pretrain.checkpoint.formats import read_autoencoder
from tests.conftest import Outcome, call_program
from tests.pretrain.runs import run_alone, words


def launch(*arguments: str) -> Outcome:
    return call_program("launch", lambda: main(arguments))


@pytest.fixture(scope="module")
def run(operations: Path, tmp_path_factory: pytest.TempPathFactory, together) -> Path:
    """Six steps of two processes under ZeRO stage 3, checkpoints at 3 and 6."""
    folder = tmp_path_factory.mktemp("consolidate") / "run"
    for outcome in together(
        [
            "-m",
            "pretrain",
            *words(operations, folder, "engine.zero_stage=3", "optimizer.min_lr=1e-6"),
        ],
        2,
    ):
        assert outcome.returncode == 0, outcome.stderr
    return folder


def test_it_is_what_the_encoder_file_holds_and_a_run_can_begin_with_it(
    run: Path, operations: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights.safetensors"
    done = launch("consolidate", str(run), str(out))
    assert done.returncode == 0, done.stderr
    weights, encoder = load_file(out), load_file(run / "encoder.safetensors")
    assert encoder and all(
        torch.equal(weights[f"encoder.{name}"], encoder[name]) for name in encoder
    )
    values = sum(weight.numel() for weight in weights.values())
    assert f"{len(weights)} tensors, {values:,} values of step-0000006" in done.stdout
    with safe_open(out, "pt") as opened:
        assert json.loads(opened.metadata()["step"]) == 6
        config = json.loads(opened.metadata()["config"])
    assert config["engine"]["zero_stage"] == 3 and config["optimizer"]["min_lr"] == 1e-6
    again = run_alone(words(operations, tmp_path / "next", f"init_from={out}", "schedule.steps=1"))
    assert again.returncode == 0, again.stderr
    source = f"weights from {out} (this project's format, {len(weights)} tensors)"
    assert source in again.stdout


def test_an_earlier_step_can_be_asked_for(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    assert launch("consolidate", str(run), str(out), "--step", "3").returncode == 0
    before, after = load_file(out), read_autoencoder(run).tensors
    assert before.keys() == after.keys()
    assert not torch.equal(before["encoder.embed.weight"], after["encoder.embed.weight"])


def test_what_cannot_be_read_is_one_line(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    out.write_bytes(b"")
    cases = {
        ("consolidate", str(run), str(out)): "already exists",
        ("consolidate", str(tmp_path), str(tmp_path / "new")): "is not a run folder",
        ("consolidate", str(run), str(tmp_path / "new"), "--step", "4"): "there are: 3, 6",
    }
    for arguments, message in cases.items():
        done = launch(*arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert message in done.stderr
    assert not (tmp_path / "new").exists()
