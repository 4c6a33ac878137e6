"""Recipes and overrides: what is taken, and how the refused is named."""

import os
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from launch.config import (
    BatchConfig,
    CheckpointConfig,
    EngineConfig,
)
from launch.errors import ConfigError
from launch.metrics.loggers import LOGGERS
from launch.recipe import dump_recipe, find_recipe, key_paths, load_recipe, validate
from launch.training.lr_schedule import LR_SCHEDULES
from launch.training.optimizer import OPTIMIZERS
from pretrain.cli import RECIPES as PRETRAIN_RECIPES
from pretrain.config import PretrainConfig

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Round:
    kind: Literal["round"] = "round"
    radius: float = 1.0


@dataclass(frozen=True, config=STRICT)
class Square:
    kind: Literal["square"] = "square"
    side: Annotated[float, Field(gt=0)] = 1.0


@dataclass(frozen=True, config=STRICT)
class Config:
    name: str
    shape: Annotated[Round | Square, Field(discriminator="kind")] = field(default_factory=Round)
    batch: BatchConfig = field(default_factory=BatchConfig)
    count: int | None = None


def write(tmp_path: Path, text: str) -> str:
    (tmp_path / "recipe.yaml").write_text(text)
    return "recipe"


def refused(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(Config, write(tmp_path, text), overrides, tmp_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_overrides_replace_nested_keys(tmp_path: Path) -> None:
    recipe = write(tmp_path, "name: a\nshape: {kind: square, side: 2}\n")
    config = load_recipe(
        Config, recipe, ["shape.side=3", "batch.global_batch_size=12", "count=5"], tmp_path
    )
    assert config == Config("a", Square(side=3), BatchConfig(global_batch_size=12), 5)


def test_a_float_with_an_exponent_is_a_number(tmp_path: Path) -> None:
    recipe = write(tmp_path, "name: a\n")
    assert load_recipe(
        Config, recipe, ["shape={kind: round, radius: 1e-3}"], tmp_path
    ).shape == Round(radius=1e-3)


def test_the_resolved_recipe_gives_the_same_configuration(tmp_path: Path) -> None:
    config = Config("ü", Square(side=2), count=3)
    assert validate(Config, yaml.safe_load(dump_recipe(config))) == config


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    assert refused(tmp_path, "name: a\nbatch: {global_batch: 3}\n") == (
        "batch.global_batch: no such key; did you mean batch.global_batch_size?"
    )
    assert (
        refused(tmp_path, "name: a\n", "bach.clips=3") == "bach: no such key; did you mean batch?"
    )
    assert "shape.sidee: no such key; did you mean shape.side?" in refused(
        tmp_path, "name: a\nshape: {kind: square, sidee: 1}\n"
    )


def test_a_wrong_value_is_named_with_its_path(tmp_path: Path) -> None:
    assert refused(tmp_path, "name: a\nbatch: {clips: many}\n").startswith(
        "batch.global_batch_size: 'many' is refused; input should be a valid integer"
    )
    assert refused(tmp_path, "name: a\nbatch: {global_batch_size: 0}\n").startswith(
        "batch.global_batch_size: 0 is refused"
    )
    assert refused(tmp_path, "name: a\nshape: {kind: oval}\n").startswith("shape: ")
    assert refused(tmp_path, "batch: {global_batch_size: 1}\n") == (
        "name: is missing; give it in the recipe or as name=..."
    )


def test_two_wrong_keys_are_both_named(tmp_path: Path) -> None:
    message = refused(tmp_path, "name: a\ncount: x\nbatch: {clips: y}\n")
    assert "count: 'x'" in message and "batch.global_batch_size: 'y'" in message


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "", "\tname: a"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "recipe.yaml" in refused(tmp_path, text)


def test_an_unknown_recipe_is_named_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "name: a\n")
    with pytest.raises(ConfigError, match="did you mean recipe"):
        load_recipe(Config, "recipee", (), tmp_path)


def test_a_bad_override_is_refused(tmp_path: Path) -> None:
    assert "key.path=value" in refused(tmp_path, "name: a\n", "batch.global_batch_size")
    assert "name is 'a', not a mapping" in refused(tmp_path, "name: a\n", "name.x=1")


@pytest.mark.parametrize(
    "cls",
    [
        BatchConfig,
        *LOGGERS.values(),
        *LR_SCHEDULES.values(),
        *OPTIMIZERS.values(),
        EngineConfig,
        CheckpointConfig,
    ],
)
def test_every_class_refuses_unknown_keys(cls: type) -> None:
    with pytest.raises(ConfigError, match="no such key"):
        validate(cls, {"nonsense": 1})


def test_key_paths_reach_into_unions() -> None:
    assert {"shape.radius", "shape.side", "batch.global_batch_size"} <= set(key_paths(Config))


def test_combinations_that_train_wrongly_are_refused() -> None:
    with pytest.raises(ConfigError, match="zero_stage 1"):
        validate(EngineConfig, {"zero_stage": 0, "precision": "bf16"})
    for row in LR_SCHEDULES.values():
        with pytest.raises(ConfigError, match=r"^steps 3 and epochs 1 are both given"):
            validate(row, {"steps": 3, "epochs": 1})


def test_overrides_with_a_present_and_a_former_name_are_refused(tmp_path: Path) -> None:
    both = ("batch.clips=8", "batch.global_batch_size=4")
    assert refused(tmp_path, "name: a\n", *both) == (
        "batch.clips: 'batch.clips=8' and 'batch.global_batch_size=4' are one key by its former "
        "and its present name; remove 'batch.clips=8'"
    )


def test_a_list_that_is_too_short_is_named() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.image_size: needs more values than \[64\]"):
        load_recipe(PretrainConfig, "demo", ["encoder.image_size=[64]"], PRETRAIN_RECIPES, run="r")


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.base_lr=.inf",
        "optimizer.weight_decay=.nan",
        "encoder.mean=[.nan, 0, 0]",
        "schedule.epochs=1e300",
        "schedule.steps=99999999999999999999",
        "batch.global_batch_size=99999999999999999999",
        "data.sampling.frame_rate=.inf",
        "data.sampling.seconds_per_clip=1e-300",
        "data.augmentation.scales=[]",
        "masking.encoder.ratio=.nan",
        "encoder.trained_grid=[0, 0, 0]",
        "target.kind=[1]",
        "loss.kind=[1]",
    ],
)
def test_numbers_without_a_meaning_are_refused_by_name(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(PretrainConfig, "demo", [override], PRETRAIN_RECIPES, run="r")
    assert str(caught.value).startswith(override.partition("=")[0].removesuffix(".kind"))


def test_a_recipe_that_is_no_regular_file_is_called_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path, found in ((tmp_path, "a folder"), (tmp_path / "pipe.yaml", "not a regular file")):
        with pytest.raises(ConfigError, match=f"is {found}; give a YAML file") as caught:
            find_recipe(str(path), tmp_path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", ["x\ty", "x\ty: [", "a: b: c", "'", "%"])
def test_an_override_that_is_no_yaml_is_one_line_with_the_cure(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.yaml").write_text("{}")
    with pytest.raises(ConfigError, match=r"^run: is not YAML") as caught:
        load_recipe(PretrainConfig, "a", [f"run={value}"], tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("write text in quotation marks: run='\"TEXT\"'")
