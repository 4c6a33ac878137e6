"""Arbitrary values and recipes are written and read back; arbitrary texts are read or refused."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml

from launch.errors import ConfigError
from launch.recipe import dump_recipe, load_recipe, validate
from launch.yaml_file import parse_yaml
from launch.yaml_text import dump_flow, dump_in_brackets, dump_yaml
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig

hypothesis = pytest.importorskip("hypothesis", reason="pip install -r requirements-dev.txt")
st = hypothesis.strategies
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
marks = st.text("?:-# [{]},&*!|>'\"%@`~=<0123456789.eExo+_yn\\\n\t\u0085\u2028\ufeffé中")
texts = texts | marks
whole = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | whole | st.floats(allow_nan=False) | texts
keys = texts.filter(bool)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20
)
quick = hypothesis.settings(max_examples=30, deadline=None)


@quick
@hypothesis.given(values)
def test_any_value_is_read_back(value: object) -> None:
    for dump in (dump_yaml, dump_flow, dump_in_brackets):
        read = parse_yaml(dump(value), "x")
        assert read == value and repr(read) == repr(value)  # 1, 1.0 and True are equal


@quick
@hypothesis.given(values)
def test_yaml_1_1_reads_the_same(value: object) -> None:
    assert yaml.safe_load(dump_yaml(value)) == value


@quick
@hypothesis.given(texts)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse_yaml(text, "x")
    except ConfigError as error:
        assert "\n" not in str(error) and len(str(error)) < 500


@quick
@hypothesis.given(
    st.fixed_dictionaries(
        {
            "run": texts.filter(lambda text: text.strip()),
            "seed": st.integers(0, 2**31),
            "data.exclude": texts,
            "data.workers": st.integers(0, 4),
            "optimizer.base_lr": st.floats(0, 1, exclude_min=True),
            "engine.clip_grad_norm": st.none() | st.floats(0, 1e300, exclude_min=True),
            "checkpoint.keep_every": st.none() | st.integers(1, 2**40),
        }
    )
)
def test_any_recipe_is_read_back(given: dict[str, object]) -> None:
    overrides = [f"{key}={dump_flow(value)}" for key, value in given.items()]
    config = load_recipe(PretrainConfig, "demo", overrides, RECIPES)
    assert (config.run, config.seed) == (given["run"], given["seed"])
    assert config.optimizer.base_lr == given["optimizer.base_lr"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(dump_recipe(config), encoding="utf-8")
        assert load_recipe(PretrainConfig, str(path), (), RECIPES) == config
    assert validate(PretrainConfig, json.loads(json.dumps(parse_yaml(dump_recipe(config), "x"))))
