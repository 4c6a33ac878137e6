"""A choice of a recipe is validated with the row of a table, which may grow."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from launch.config import STRICT
from launch.errors import ConfigError
from launch.kinds import one_of
from launch.recipe import validate


@dataclass(frozen=True, config=STRICT)
class Round:
    """A circle."""

    kind: Literal["round"] = "round"
    radius: float = 1.0
    color: str = "blue"


@dataclass(frozen=True, config=STRICT)
class Square:
    """A square."""

    kind: Literal["square"] = "square"
    sides: tuple[int, int] = (1, 1)


RED = Round(radius=2, color="red")
SHAPES: dict[str, type] = {"round": Round}


@dataclass(frozen=True, config=STRICT)
class Config:
    """A configuration with a choice."""

    shape: Annotated[Any, one_of(SHAPES, RED)] = RED
    other: Annotated[Any, one_of(SHAPES)] | None = None


def test_the_kind_chooses_the_class_and_may_be_left_to_the_default() -> None:
    assert validate(Config, {"shape": {"radius": 3}}).shape == Round(radius=3, color="red")
    assert validate(Config, {"other": {"kind": "round"}}).other == Round()
    assert validate(Config, {}).other is None


def test_keys_that_a_mapping_leaves_out_keep_the_fields_default_not_the_classs() -> None:
    assert validate(Config, {"shape": {"kind": "round"}}).shape == RED
    assert validate(Config, {"other": {"kind": "round"}}).other == Round()


def test_a_row_that_is_added_later_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, "square", Square)
    config = validate(Config, {"shape": {"kind": "square", "sides": [2, 3]}})
    assert config.shape == Square(sides=(2, 3))
    dumped = TypeAdapter(Config).dump_python(config, mode="json")
    assert dumped["shape"] == {"kind": "square", "sides": [2, 3]}
    assert validate(Config, dumped) == config


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"kind": ["round"]}, "shape: kind ['round'] is none of round"),
        ({"kind": "rund"}, "shape: kind 'rund' is none of round; did you mean round?"),
        ({"kind": "round", "side": 1}, "shape.side: no such key"),
        ({"kind": "round", "radius": "x"}, "shape.radius: 'x' is refused"),
        (3, "shape: 3 is refused; input should be a mapping with a kind"),
    ],
)
def test_what_fits_no_row_is_refused(shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        validate(Config, {"shape": shape})


def test_a_row_that_is_no_configuration_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, "bad", 3)
    with pytest.raises(ConfigError, match="plugins: the row 'bad' is 3; a row is a class with"):
        validate(Config, {"shape": {"kind": "round"}})


def test_without_a_default_the_kind_must_be_given() -> None:
    with pytest.raises(ValidationError, match="kind None is none of round"):
        TypeAdapter(Config).validate_python({"other": {"radius": 2}})
