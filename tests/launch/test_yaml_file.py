"""YAML 1.2: what is written is read back, and errors name the line."""

import pytest

from launch.errors import ConfigError
from launch.yaml_file import dump_yaml, parse_yaml


def test_a_duplicate_key_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r'^a\.yaml:3: found duplicate key "x"'):
        parse_yaml("x: 1\ny: 2\nx: 3\n", "a.yaml")


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"^a\.yaml:2: found character"):
        parse_yaml("x: 1\n\ty: 2\n", "a.yaml")


@pytest.mark.parametrize("text", ["0600", "10:00", "yes", "1e-4", "null", "", "2026-01-01", "ü: x"])
def test_texts_are_read_back_as_texts(text: str) -> None:
    assert parse_yaml(dump_yaml({"key": text}), "x") == {"key": text}


def test_numbers_are_those_of_yaml_1_2() -> None:
    values = parse_yaml("a: 1e-4\nb: 10:00\nc: true\nd: off\ne: 12\n", "x")
    assert values == {"a": 1e-4, "b": "10:00", "c": True, "d": "off", "e": 12}


def test_order_and_nesting_stay() -> None:
    values = {"z": [1, 2.5, None], "a": {"deep": {"x": True, "w": []}}, "long": "word " * 60}
    assert parse_yaml(dump_yaml(values), "x") == values
    assert list(parse_yaml(dump_yaml(values), "x")) == ["z", "a", "long"]
