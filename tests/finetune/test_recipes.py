"""Every shipped recipe: valid, the same when written and read, with the published settings."""

import pytest
import torch
import yaml

from finetune.cli import RECIPES
from finetune.config import FinetuneConfig
from finetune.model.backbone import build_backbone
from launch.recipe import dump_recipe, load_recipe, validate
from launch.training.lr_schedule import peak_learning_rate

NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load(name: str, *overrides: str) -> FinetuneConfig:
    return load_recipe(FinetuneConfig, name, overrides, RECIPES, run="runs/test")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_builds_and_its_resolved_form_is_the_same(name: str) -> None:
    config = load(name)
    assert validate(FinetuneConfig, yaml.safe_load(dump_recipe(config))) == config
    if config.backbone.weights is None:
        with torch.device("meta"):
            encoder = build_backbone(config.backbone).encoder
            config.head.build(encoder.config, 10)
        assert encoder.config.drop_path == config.backbone.drop_path


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_states_its_command(name: str) -> None:
    header = "".join(
        line for line in (RECIPES / f"{name}.yaml").read_text().splitlines(True) if line[0] == "#"
    )
    assert f"finetune {name}" in header or f"local.sh finetune {name}" in header


# of a step: clips, peak learning rate; layer decay, drop path, dropout of the head, weight decay,
# epochs (VideoMAE V2's scripts, SurgVISTA's)
PUBLISHED = {
    "base_k400": (512, 1.4e-3, 0.75, 0.1, 0, 0.05, 90),
    "base_k710": (1024, 1.4e-3, 0.75, 0.1, 0, 0.05, 90),
    "base_ssv2": (512, 2e-3, 0.65, 0.1, 0, 0.05, 25),
    "large_k400": (192, 1.5e-3, 0.75, 0.2, 0, 0.05, 35),
    "large_ssv2": (384, 3.75e-4, 0.75, 0.2, 0, 0.05, 20),
    "huge_k400": (256, 5e-4, 0.8, 0.2, 0.5, 0.05, 40),
    "huge_ssv2": (256, 2.5e-4, 0.8, 0.2, 0, 0.05, 20),
    "giant_k710": (192, 3.75e-4, 0.9, 0.3, 0, 0.1, 35),
    "giant_k400": (384, 7.5e-4, 0.9, 0.2, 0, 0.1, 30),
    "giant_k710_to_k400": (192, 3.75e-6, 0.9, 0.25, 0, 0.1, 3),
    "giant_ssv2": (192, 1.125e-4, 0.9, 0.25, 0, 0.05, 20),
    "giant_ucf101": (48, 9.375e-5, 0.9, 0.35, 0.5, 0.05, 50),
    "giant_hmdb51": (48, 4.6875e-5, 0.9, 0.35, 0.5, 0.05, 15),
    "phases_base": (64, 5e-4, 0.75, 0.1, 0.5, 0.05, 50),
    "phases_base_2d": (64, 5e-4, 0.75, 0.1, 0.5, 0.05, 50),
    "triplets_base": (64, 5e-4, 0.75, 0.1, 0.5, 0.05, 20),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_are_the_published_ones(name: str) -> None:
    config = load(name)
    clips, peak, decay, drop_path, dropout, weight_decay, epochs = PUBLISHED[name]
    assert config.batch.global_batch_size == clips
    assert peak_learning_rate(config.optimizer, clips) == pytest.approx(peak, rel=1e-3)
    assert (config.tuning.layer_decay, config.backbone.drop_path) == (decay, drop_path)
    assert (config.head.dropout, config.schedule.epochs) == (dropout, epochs)
    assert config.optimizer.weight_decay == weight_decay
    assert config.schedule.warmup * epochs == pytest.approx(1 if epochs == 3 else 5, rel=1e-2)
