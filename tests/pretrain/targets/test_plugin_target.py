"""A target of a plugin, with a module and without pixels, from the recipe to exported files."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import newest_valid_checkpoint
from launch.errors import ConfigError
from launch.recipe import load_recipe, read_resolved
from pretrain.checkpoint.formats import write_autoencoder
from pretrain.checkpoint.infer_config import DecoderOverrides
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.flops import forward_cost
from pretrain.loss_functions import SmoothL1
from pretrain.planning.memory import autoencoder_memory
from pretrain.reconstruction.load import load_autoencoder
from pretrain.targets.registry import TARGETS
from tests.conftest import start_together
from tests.pretrain.runs import end, log_of, losses, run_alone, words

FOLDER = Path(__file__).parent
TEACHER = ("target={kind: mean_colour, teacher: true}", "loss={kind: smooth_l1, beta: 0.1}")
PLUGIN = ("--plugins", "mean_colour")


def pretrain(*arguments: object) -> str:
    """Output of the program with the plugin."""
    done = run_alone([*map(str, arguments), *PLUGIN], PYTHONPATH=str(FOLDER))
    assert done.returncode == 0, done.stderr
    return done.stdout


SHORT = ("schedule={steps: 3, warmup: 0}", "checkpoint.every_steps=2", "plugins=[mean_colour]")


@pytest.fixture(scope="module")
def run(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run; `output.txt` is what it printed."""
    folder = tmp_path_factory.mktemp("plugin") / "run"
    output = pretrain(*words(operations, folder, *TEACHER, *SHORT))
    (folder / "output.txt").write_text(output)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """The autoencoder of the run in this project's format."""
    file = run.with_name("own.safetensors")
    pretrain("export", run, file)
    return file


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """The plugin's row, which is in the table as long as a test takes."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = dict(TARGETS)
    sys.modules.pop("mean_colour", None)
    import mean_colour

    yield mean_colour.MeanColour
    TARGETS.clear()
    TARGETS.update(before)


def config_of(*overrides: str) -> PretrainConfig:
    return load_recipe(PretrainConfig, "demo", overrides, RECIPES, run="unused")


def test_it_trains_and_is_logged_with_its_baseline(run: Path) -> None:
    output = (run / "output.txt").read_text()
    assert "target: mean_colour, 3 values per token; loss: smooth_l1" in output
    assert "complete: 3 steps; smooth_l1 loss " in output
    for line in log_of(run):
        assert 0 < line["loss/constant_baseline"] < 0.2 and line["loss/train"] > 0
    assert [line["step"] for line in log_of(run)] == [1, 2, 3]
    assert np.asarray(Image.open(run / "reconstruction.png")).std() > 20


def test_checkpoints_hold_the_model_without_the_teacher(run: Path) -> None:
    weights = read_weights(newest_valid_checkpoint(run / "checkpoints"))
    assert weights["decoder.head.weight"].shape == (3, 32)
    assert all(name.startswith(("encoder.", "decoder.")) for name in weights)


def test_it_resumes_to_the_same_bits(run: Path, operations: Path, tmp_path: Path) -> None:
    again = shutil.copytree(run, tmp_path / "again")
    shutil.rmtree(again / "checkpoints/step-0000003")
    assert "from " + str(again / "checkpoints/step-0000002") in pretrain(
        *words(operations, again, *TEACHER, *SHORT)
    )
    assert losses(again) == losses(run)


def test_two_processes_at_zero_3_have_the_same_teacher_and_losses(
    run: Path, operations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    command = words(operations, tmp_path / "two", *TEACHER, *SHORT, "engine.zero_stage=3")
    for outcome in end(start_together(["-m", "pretrain", *command], 2)):
        assert outcome.returncode == 0, outcome.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(run), abs=1e-5)


def test_it_is_exported_where_a_format_can_hold_it(
    run: Path, exported: Path, row: type, tmp_path: Path
) -> None:
    with safe_open(exported, "pt") as opened:
        metadata: dict[str, Any] = opened.metadata()
    assert json.loads(metadata["target"]) == {"kind": "mean_colour", "teacher": True}
    config = read_config(run)
    for name in ("videomae", "hf"):
        with pytest.raises(CheckpointMismatch, match="cannot hold the target mean_colour"):
            write_autoencoder(name, tmp_path / "out", {}, config)
    loaded = load_autoencoder(exported, CheckpointOverrides(), DecoderOverrides())
    assert loaded.target == row(teacher=True)
    assert loaded.model.decoder.head.out_features == 3


def read_config(run: Path) -> PretrainConfig:
    """The configuration of the run, whose plugin is imported."""
    os.environ["SURGMASK_PLUGINS"] = "mean_colour"
    try:
        return read_resolved(PretrainConfig, run / "config.yaml")
    finally:
        del os.environ["SURGMASK_PLUGINS"]


def test_a_file_of_an_absent_target_says_what_is_missing(exported: Path) -> None:
    assert "mean_colour" not in TARGETS
    with pytest.raises(CheckpointMismatch, match="target 'mean_colour' is none of normalised_pix"):
        load_autoencoder(exported, CheckpointOverrides(), DecoderOverrides())


def test_its_images_are_those_of_its_own_function(
    run: Path, operations: Path, tmp_path: Path
) -> None:
    output = pretrain("reconstruct", run, operations, "--recordings", 1, "--out", tmp_path)
    assert "target mean_colour" in output and "smooth_l1 loss " in output
    (image,) = tmp_path.glob("*.png")
    assert np.asarray(Image.open(image)).std() > 20


def test_the_plan_counts_a_teacher_as_frozen(row: type) -> None:
    plain, taught = (
        config_of("target={kind: mean_colour}"),
        config_of("target={kind: mean_colour, teacher: true}", "loss.kind=smooth_l1"),
    )
    assert taught.loss == SmoothL1()
    without, with_teacher = (
        autoencoder_memory(config, "fp32", False, False) for config in (plain, taught)
    )
    assert with_teacher.parameters == without.parameters
    assert with_teacher.buffers - without.buffers == 4 * (9 + 3)
    counts = taught.masking.counts(taught.encoder.grid)
    cost = forward_cost(taught.encoder, taught.decoder, counts, taught.target)
    assert cost.target == 9 * counts.decoded
    assert cost.training_flops == 6 * (cost.total - cost.target) + 2 * cost.target


def test_a_setting_of_another_target_is_refused(row: type) -> None:
    with pytest.raises(ConfigError, match=r"target\.teacher: is a key of another kind"):
        config_of("target={kind: pixels, teacher: true}")
