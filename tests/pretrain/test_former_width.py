"""Runs of an earlier version, whose MLPs had the width rounded to the nearest number."""

import shutil
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from encoder.checkpoint.load import load_encoder
from pretrain.checkpoint.formats import read_autoencoder
from pretrain.cli import main
from tests.conftest import call_program
from tests.encoder.test_mlp_width import GIANT, with_ratio
from tests.pretrain.runs import losses, run_alone, words

ROUNDED = 140 / 32  # 32 * 48 / 11 = 139.6


def with_ratios(ratio: float) -> list[str]:
    return [f"encoder.mlp_ratio={ratio}", f"decoder.mlp_ratio={ratio}"]


def test_a_run_of_an_earlier_version_goes_on_and_can_be_used(
    operations: Path, tmp_path: Path
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    command = partial(words, operations)
    done = run_alone(command(whole, *with_ratios(ROUNDED), "schedule.steps=6"))
    assert done.returncode == 0, done.stderr
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints/step-0000006")
    (run / "config.yaml").write_text(
        (run / "config.yaml").read_text().replace(f"mlp_ratio: {ROUNDED}", f"mlp_ratio: {GIANT}")
    )
    assert (run / "config.yaml").read_text().count(str(GIANT)) == 2
    (run / "encoder.safetensors").unlink()

    done = run_alone(command(run, *with_ratios(GIANT), "schedule.steps=6"))
    assert done.returncode == 0, done.stderr
    assert "resume: " in done.stdout and losses(run) == losses(whole)
    ours, theirs = (load_file(each / "encoder.safetensors") for each in (run, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    former = with_ratio(run / "encoder.safetensors", GIANT, tmp_path / "former.safetensors")
    for file in (former, run / "encoder.safetensors"):
        assert load_encoder(file).encoder.blocks[0].mlp.fc1.out_features == 140
    out = tmp_path / "out.safetensors"
    exported = call_program("pretrain", lambda: main(["export", str(run), str(out)]))
    assert exported.returncode == 0, exported.stderr
    assert read_autoencoder(out).tensors["decoder.blocks.0.mlp.fc1.weight"].shape == (140, 32)
    started = run_alone(
        command(tmp_path / "next", *with_ratios(GIANT), "schedule.steps=1", f"init_from={out}")
    )
    assert started.returncode == 0, started.stderr
