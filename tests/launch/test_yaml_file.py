"""YAML 1.2: what is written is read back, what surprises is refused, errors name the line."""

import math
import os
from pathlib import Path

import pytest
import yaml

from launch.errors import ConfigError
from launch.yaml_file import parse_yaml, read_yaml
from launch.yaml_text import dump_flow, dump_in_brackets, dump_yaml

BOMB = "\n".join(
    ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 11))]
)
REFUSED = {
    "x: 1\ny: 2\nx: 3": "a.yaml:3: x is given twice, first in line 1; remove one",
    "x: 1\n\ty: 2": "a.yaml:2: is not YAML (found character '\\t' that cannot start any token)",
    "x: 1\nseed: 0600": "a.yaml:2: 0600 is ambiguous: YAML 1.1 reads it as octal; write a plain",
    "x: -007": "a.yaml:1: -007 is ambiguous: YAML 1.1 reads it as octal; write a plain number",
    "x: 10:00": "a.yaml:1: 10:00 is ambiguous: YAML 1.1 reads it in base 60; write a plain number",
    "x: 1:30:00.5": "a.yaml:1: 1:30:00.5 is ambiguous: YAML 1.1 reads it in base 60",
    f"x:\n- {'9' * 6000}": "a.yaml:2: 99999999999999999999... (6000 characters) does not fit in 64",
    f"x: {2**64}": f"a.yaml:1: {2**64} does not fit in 64 bits",
    "x: 1e999": "a.yaml:1: 1e999 is too large for a floating-point number",
    "x: " + "[" * 100_000: "a.yaml:1: is nested more than 50 levels deep",
    "x: " + "{a: " * 100_000: "a.yaml:1: is nested more than 50 levels deep",
    "- " * 60 + "x": "a.yaml:1: is nested more than 50 levels deep",
    "x: [" + "1, " * 60_000: "a.yaml:1: has more than 50,000 keys and values",
    BOMB: "a.yaml:7: its anchors expand to more than 4,194,304 characters; use fewer of them",
    "x: &x [1, *x]": "a.yaml:1: an anchor refers to itself; remove the reference",
    "x: &x\n  <<: *x": "a.yaml:2: an anchor refers to itself; remove the reference",
    "x: *y": "a.yaml:1: *y: no such anchor precedes it",
    "x: !!python/object/apply:os.system [ls]": "a.yaml:1: !!python/object/apply:os.system is a tag",
    "x: !!binary aGk=": "a.yaml:1: !!binary is a tag, and tags are not supported; remove it",
    "x: !!set {a, b}": "a.yaml:1: !!set is a tag, and tags are not supported; remove it",
    "x: !own 1": "a.yaml:1: !own is a tag, and tags are not supported; remove it",
    "x: !!int a": "a.yaml:1: 'a' with the tag !!int is refused; remove the tag",
    "%YAML 1.1\n---\nx: 1": "a.yaml:2: is YAML 1.1; remove %YAML, this is read as 1.2",
    "x: 1\n---\ny: 2": "a.yaml:2: begins a second document; write one document",
    "? [a]\n: 1": "a.yaml:1: a key of a mapping must be a word, not a list",
    ": 1": "a.yaml:1: a key of a mapping must be a word, not nothing",
    "<<: [1]": "a.yaml:1: a mapping must be a mapping of keys, not '1'",
    'x: "a\\0b"': "a.yaml:1: has a null character; remove it",
    'x: "\\ud800"': "a.yaml:1: has half of a surrogate pair; remove the escape",
    'x: "\\Uffffffff"': "a.yaml: is not YAML (",
}


@pytest.mark.parametrize("text", REFUSED, ids=[text[:24] for text in REFUSED])
def test_it_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{text}\n")
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    message = str(caught.value).removeprefix(f"{tmp_path}/")
    assert message.startswith(REFUSED[text]) and "\n" not in message and len(message) < 300


def test_an_override_of_one_line_is_named_without_a_line() -> None:
    with pytest.raises(ConfigError, match=r"^seed: 0600 is ambiguous"):
        parse_yaml("0600", "seed")


def test_only_regular_files_of_limited_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path, tmp_path / "pipe.yaml"):
        with pytest.raises(ConfigError, match=r"cannot be read \(is not a regular file\)"):
            read_yaml(path)
    with (tmp_path / "large.yaml").open("wb") as opened:
        opened.truncate(2**40)  # no byte of it is on the disk
    with pytest.raises(ConfigError, match=r"large\.yaml: has more than 1 MiB"):
        read_yaml(tmp_path / "large.yaml")


TEXTS = ["0600", "10:00", "yes", "Off", "1e-4", "null", "", "2026-01-01", "ü: x", "=", "<<", "~"]
TEXTS += [
    "1_000",
    "?#",
    "a\u0085b",
    "\ufeff",
    "a  b",
    " a",
    "a\n b\n",
    "\x07",
    "[",
    "0o17",
    "\\ '\"",
]


@pytest.mark.parametrize("dump", [dump_yaml, dump_flow, dump_in_brackets])
@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_read_back_as_texts_also_by_yaml_1_1(text: str, dump) -> None:
    values = {"key": [text], f"{text}.": {text or "a": text}}
    assert parse_yaml(dump(values), "x") == yaml.safe_load(dump(values)) == values


@pytest.mark.parametrize("value", [1e-05, 1e300, 0.1, -1.5e-7, 1e16, math.inf, 3, True, None])
def test_numbers_are_read_back_also_by_yaml_1_1(value: object) -> None:
    assert parse_yaml(dump_yaml([value]), "x") == yaml.safe_load(dump_yaml([value])) == [value]


def test_values_are_those_of_yaml_1_2() -> None:
    text = "a: 1e-4\nb: '10:00'\nc: true\nd: off\ne: 12\nf: 2026-13-45\ng: 1_000\nh: !!str 0600\n"
    text += "i: 0x1F\nj: .5\nk: =\nl: ~\nm:\nn: [-.inf, 0, -1, 0.5, 0o17]\no: !!float 3\n"
    assert parse_yaml(text, "x") == {
        **{"a": 1e-4, "b": "10:00", "c": True, "d": "off", "e": 12, "f": "2026-13-45"},
        **{"g": "1_000", "h": "0600", "i": 31, "j": 0.5, "k": "=", "l": None, "m": None},
        **{"n": [-math.inf, 0, -1, 0.5, 15], "o": 3.0},
    }


def test_anchors_and_merge_keys_are_resolved() -> None:
    text = "base: &b {x: 1, y: [2]}\nmore: &m {x: 3, z: 4}\nall: {<<: [*b, *m], y: 5}\nsame: *b\n"
    values = parse_yaml(text, "x")
    assert values["all"] == {"x": 1, "y": 5, "z": 4} and values["same"] == {"x": 1, "y": [2]}


def test_order_and_nesting_stay() -> None:
    values = {"z": [1, 2.5, None], "a": {"deep": {"x": True, "w": []}}, "long": "word " * 60}
    same = {"one": values["z"], "two": values["z"]}  # no anchors are written
    for dump in (dump_yaml, dump_flow, dump_in_brackets):
        assert parse_yaml(dump(values), "x") == values
        assert list(parse_yaml(dump(values), "x")) == ["z", "a", "long"]
        assert "&" not in dump(same) and parse_yaml(dump(same), "x") == same
