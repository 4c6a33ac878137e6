"""Former names of keys and values are read, and named once."""

from pathlib import Path

import pytest

from finetune.config import FinetuneConfig
from launch.errors import ConfigError
from launch.former_keys import translate, translate_path
from launch.keys import all_keys
from launch.recipe import load_recipe
from pretrain.config import PretrainConfig

RECIPES = Path(__file__).parents[2] / "pretrain/recipes"


def test_keys_and_values_get_their_present_names() -> None:
    former = {
        "data": {"set": {"kind": "moments", "targets": "many"}, "fitting": "squeeze"},
        "mode": {"kind": "neighbours"},
        "loss": {"kind": "binary"},
    }
    values, renamed = translate(FinetuneConfig, former)
    assert values == {
        "data": {
            "dataset": {"kind": "timestamps", "multi_label": True},
            "eval_crop": "resize",
        },
        "tuning": {"kind": "knn"},
        "loss": {"kind": "bce"},
    }
    assert renamed[:2] == [
        "data.set -> data.dataset",
        "data.dataset.kind=moments -> timestamps",
    ]
    assert "data.dataset.multi_label=many -> true" in renamed


def test_sets_by_name_are_translated_one_by_one() -> None:
    former = {"data": {"sets": {"a": {"targets": "one"}, "b": {"kind": "clips"}}}}
    values, _ = translate(FinetuneConfig, former)
    assert values["data"]["datasets"] == {"a": {"multi_label": False}, "b": {"kind": "clips"}}


def test_present_names_and_unknown_keys_stay_as_they_are() -> None:
    given = {"batch": {"global_batch_size": 8}, "nonsense": {"batch": 1}, "seed": 3}
    assert translate(PretrainConfig, given) == (given, [])


def test_a_path_is_translated_with_its_value() -> None:
    path, value, renamed = translate_path(PretrainConfig, "batch.clips", 8)
    assert (path, value) == ("batch.global_batch_size", 8)
    assert renamed == ["batch.clips -> batch.global_batch_size"]
    path, value, _ = translate_path(PretrainConfig, "probe", {"source": "a"})
    assert (path, value) == ("knn_probe", {"source": "a"})
    assert translate_path(PretrainConfig, "a.b", 1) == ("a.b", 1, [])


def test_a_key_under_both_names_is_refused() -> None:
    both = {"batch": {"clips": 8, "global_batch_size": 16}}
    with pytest.raises(ConfigError) as caught:
        translate(PretrainConfig, both)
    assert str(caught.value) == (
        "batch.clips: 8 is given by a former name of batch.global_batch_size, which is 16; remove "
        "batch.clips"
    )


def test_an_override_by_a_former_name_replaces_the_recipes_key() -> None:
    said: list[str] = []
    words = ["data.source=x", "batch.clips=32", "batch.clips=64"]
    config = load_recipe(PretrainConfig, "demo", words, RECIPES, said.append, run="x")
    assert config.batch.global_batch_size == 64
    assert said == [
        "warning: renamed keys: batch.clips -> batch.global_batch_size; the old names still work"
    ]


@pytest.mark.parametrize("cls", [PretrainConfig, FinetuneConfig])
def test_no_former_name_is_a_present_name_beside_it(cls: type) -> None:
    keys = list(all_keys(cls))
    for key in keys:
        beside = {each.path.rpartition(".")[2] for each in keys if each.owner is key.owner}
        assert not beside & set(key.former_names), key.path
