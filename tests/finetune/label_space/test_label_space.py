"""The file of a label space: a round trip, and refusal of what is inconsistent."""

from pathlib import Path

import numpy as np
import pytest

from finetune.label_space.label_space import LabelSpace, read_label_space, write_label_space
from finetune.label_space.parse import LabelSpaceError

A, B, C = "a" * 64, "b" * 64, "c" * 64
SPACE = LabelSpace(
    classes=("no", "1", "x: [y] 'z' # {", "\u00c9cart \u4e2d \U0001f600"),
    sets={"cholec80": (0, 2), "auto-laparo.v1": (3, 1, 0)},
    names={"cholec80": ("no", "x: [y] 'z' # {"), "auto-laparo.v1": ("null", "0x1", "No")},
    sha256={"cholec80": A, "auto-laparo.v1": B},
    synonyms=C,
)


@pytest.mark.parametrize("space", [SPACE, SPACE._replace(synonyms="")])
def test_a_space_is_read_as_it_was_written(tmp_path: Path, space: LabelSpace) -> None:
    write_label_space(tmp_path / "space.yaml", space)
    assert read_label_space(tmp_path / "space.yaml") == space


def test_any_names_are_read_as_they_were_written(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    marks = list("  ''\"\"#:,[]{}&*!|>%@`-?\\_.\u00e9\u4e2d\ufeff\U0001f600\u00a0")
    for round_ in range(40):
        names = []
        for number in range(12):
            inner = "".join(draw.choice(marks, draw.integers(0, 90)))
            names.append(f"{draw.choice(['', *marks])}{inner}{round_}x{number}y{inner}".strip())
        space = LabelSpace(tuple(names), {"s": tuple(range(12))}, {"s": tuple(names)}, {"s": A})
        write_label_space(tmp_path / "space.yaml", space)
        assert read_label_space(tmp_path / "space.yaml") == space


def test_a_set_in_the_merged_space(tmp_path: Path) -> None:
    assert SPACE.to_merged("auto-laparo.v1").tolist() == [3, 1, 0]
    assert SPACE.to_merged("cholec80").dtype == np.int64
    assert SPACE.covers("cholec80").tolist() == [True, False, True, False]
    for ask in (SPACE.to_merged, SPACE.covers):
        with pytest.raises(LabelSpaceError, match=r"no set 'cholec8', .*; nearest: 'cholec80'"):
            ask("cholec8")


GOOD = f"""classes: [x, y, z]
sets: {{a: [0, 2], b: [1, 2]}}
names: {{a: [x, z], b: [y, zet]}}
sha256:
  sets: {{a: {A}, b: {B}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("classes: [x, y, z]\n", "", "is not a complete label space; it has no classes"),
        (
            "sha256:",
            "sha265:",
            r"yaml:4: 'sha265' is not a field of a label space; nearest: 'sha256'",
        ),
        ("[x, y, z]", "[x, y, X]", r"yaml:1: 'X' is the same name as 'x', line 1"),
        ("[x, y, z]", "[x, y, '']", r"yaml:1: '' has no letter"),
        ("[x, y, z]", '[x, y, "z\\n"]', r"yaml:1: .* control character"),
        ("[x, y, z]", "[x, y, z, w]", r"yaml:1: no set has class 3, 'w'"),
        ("[x, y, z]", "x", r"yaml:1: classes must be a list"),
        ("[x, y, z]", "[x, [y], z]", r"yaml:1: classes must be a list of strings"),
        ("a: [0, 2]", "a: [0, 3]", r"yaml:2: '3' is not in 0 to 2"),
        ("a: [0, 2]", "a: [0, -1]", r"yaml:2: '-1' is not in 0 to 2"),
        ("a: [0, 2]", "a: [0, 2.0]", r"yaml:2: '2\.0' is not in"),
        ("a: [0, 2]", "a: [0, true]", r"yaml:2: 'true' is not in"),
        ("a: [0, 2]", "a: [0, 0]", r"yaml:2: 0 is there twice"),
        ("a: [0, 2]", "a: [0]", r"yaml:3: a has 2 names, but 1 indices in sets, line 2"),
        ("a: [0, 2]", "a: []", r"yaml:2: set a must be a list with at least one"),
        ("{a: [0, 2], b: [1, 2]}", "[0, 1]", r"yaml:2: sets must be a mapping"),
        ("{a: [0, 2], b", "{'a:b': [0, 2], b", r"yaml:2: 'a:b' is not a valid name of a set"),
        ("{a: [0, 2], b", '{"a\\nb": [0, 2], b', r"yaml:2: 'a\\nb' is not a valid name of a set"),
        ("{a: [x, z], b", '{"a\\nb": [x, z], b', r"yaml:3: names has 'a\\nb', 'b'; sets has"),
        ("{a: [x, z], b: [y, zet]}", "{a: [x, z]}", r"yaml:3: names has 'a'; sets has"),
        ("b: [y, zet]", "b: [y, Y]", r"yaml:3: 'Y' is the same name as 'y'"),
        (B, "b" * 63, r"yaml:5: sha256 of 'b' is not a SHA-256 digest"),
        (B, "[1]", r"yaml:5: sha256 of 'b' is not a SHA-256 digest"),
        (f", b: {B}", "", r"yaml:5: sha256 has 'a'; sets has 'a', 'b'"),
        ("  sets:", "  steps:", "sha256 must have the key sets"),
        ("sets: {a: [0, 2]", "sets: {a: [1], a: [0, 2]", r"yaml:2: a is given twice"),
        ("classes: [x, y, z]", "classes: [x, y", "is not YAML"),
        ("classes: [x, y, z]", "- x", "is not YAML"),
        (GOOD, "", "is empty"),
        (GOOD, "- x", "a label space must be a mapping"),
    ],
)
def test_an_inconsistent_space_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(GOOD)
    assert read_label_space(path).names["b"] == ("y", "zet")
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(LabelSpaceError, match=message) as caught:
        read_label_space(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_or_damaged_space_is_refused_or_consistent(tmp_path: Path) -> None:
    path, draw = tmp_path / "space.yaml", np.random.default_rng(0)
    write_label_space(path, SPACE)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(LabelSpaceError):
            read_label_space(path)
    for _ in range(300):
        content = bytearray(whole)
        content[int(draw.integers(0, len(content)))] = int(draw.integers(0, 256))
        path.write_bytes(bytes(content))
        try:
            space = read_label_space(path)
            assert [len(space.names[of]) for of in space.sets] == [2, 3]
            assert all(space.to_merged(of).max() < len(space.classes) for of in space.sets)
        except LabelSpaceError as error:
            assert "\n" not in str(error)


def test_a_failed_write_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabelSpaceError, match="cannot be written"):
        write_label_space(tmp_path / "absent" / "space.yaml", SPACE)
