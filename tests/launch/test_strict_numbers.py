"""True and false are refused where a key takes a number, and nowhere else."""

from pathlib import Path

import pytest

from launch.errors import ConfigError
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig

GIVEN = ("data.source=/videos", "run=unused")


@pytest.mark.parametrize(
    "override",
    [
        "data.stream=true",
        "seed=false",
        "batch.micro_batch_size=true",
        "engine.zero_stage=false",
        "schedule={kind: wsd, steps: true}",
        "optimizer.betas=[true, 0.9]",
        "masking.encoder={kind: tube, ratio: true}",
        "encoder.image_size=true",
    ],
)
def test_a_number_is_not_true_or_false(override: str) -> None:
    with pytest.raises(ConfigError, match=r"(True|\[True, 0.9\]|False) is refused"):
        load_recipe(PretrainConfig, "demo", [*GIVEN, override], RECIPES)


def test_a_number_of_a_source_names_its_path() -> None:
    given = ("run=unused", "data.source=null", "data.sources={a: {path: x, weight: true}}")
    with pytest.raises(ConfigError, match=r"data.sources.a.weight: True is refused; give a number"):
        load_recipe(PretrainConfig, "demo", given, RECIPES)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("engine.activation_checkpointing=true", True),
        ("engine.compile=false", False),
        ("checkpoint.async_save=true", True),
    ],
)
def test_a_switch_is_true_or_false(override: str, value: bool) -> None:
    config = load_recipe(PretrainConfig, "demo", [*GIVEN, override], RECIPES)
    section, _, name = override.partition("=")[0].partition(".")
    assert getattr(getattr(config, section), name) is value


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_have_no_such_value(recipe: Path) -> None:
    load_recipe(PretrainConfig, str(recipe), GIVEN, RECIPES)
