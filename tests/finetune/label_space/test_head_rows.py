"""Rows of a trained head for target classes: by a label space, and from a published file."""

from pathlib import Path

import numpy as np
import pytest

from finetune.label_space.head_rows import read_rows, rows_for
from finetune.label_space.label_space import LabelSpace
from finetune.label_space.parse import LabelSpaceError

SPACE = LabelSpace(
    classes=("abseiling", "hugging (not baby)", "smelling feet", "vault", "hugging baby", "yoga"),
    sets={"k4": (0, 1, 2, 3), "k6": (0, 1, 4, 2), "k7": (5, 4, 0)},
    names={
        "k4": ("abseiling", "hugging", "sniffing", "vault"),
        "k6": ("Abseiling", "hugging (not baby)", "hugging baby", "smelling feet"),
        "k7": ("yoga", "hugging baby", "abseiling"),
    },
    sha256={of: "0" * 64 for of in ("k4", "k6", "k7")},
)
# `prep` is two classes, by a distinct pair; the class `begin` of a is called `open` by b
DISTINCT = LabelSpace(
    classes=("prep (a)", "begin", "prep (b)", "open"),
    sets={"a": (0, 1, 3), "b": (2, 1)},
    names={"a": ("prep", "begin", "open"), "b": ("prep", "open")},
    sha256={"a": "0" * 64, "b": "0" * 64},
)


@pytest.mark.parametrize("of", SPACE.sets)
def test_a_set_of_the_space_takes_its_own_rows(of: str) -> None:
    rows = rows_for(SPACE, SPACE.classes, SPACE.names[of], of)
    assert rows.rows.tolist() == list(SPACE.sets[of])
    assert not rows.without_row and not rows.repeated
    assert rows.lines() == [
        f"head: {len(SPACE.sets[of])} of {len(SPACE.sets[of])} classes have one of the 6 "
        "trained rows"
    ]


def test_the_order_of_both_sides_is_free() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        trained = tuple(draw.permutation(SPACE.classes).tolist())
        for of, names in SPACE.names.items():
            order = draw.permutation(len(names))
            target = tuple(names[i] for i in order)
            found = rows_for(SPACE, trained, target, of).rows
            expected = [SPACE.classes[SPACE.sets[of][i]] for i in order]
            assert [trained[row] for row in found] == expected
            assert found.tolist() == rows_for(SPACE, trained, target).rows.tolist()


def test_other_targets_are_found_by_any_sets_name() -> None:
    target = ("Sniffing", "YOGA", "hugging-(not)-baby", "smelling_feet")
    rows = rows_for(SPACE, SPACE.classes, target)
    assert rows.rows.tolist() == [2, 5, 1, 2]
    assert rows.repeated == {2: ("Sniffing", "smelling_feet")}
    assert rows.lines()[1:] == ["head: share row 2: Sniffing; smelling_feet"]


def test_a_head_of_one_set_serves_another_through_the_space() -> None:
    rows = rows_for(SPACE, SPACE.names["k6"], SPACE.names["k4"], "k4", allow_fresh=True)
    assert rows.rows.tolist() == [0, 1, 3, -1] and rows.without_row == ("vault",)


def test_names_outside_the_space_mean_themselves() -> None:
    trained = (*SPACE.classes, "idle")
    assert rows_for(SPACE, trained, ("Idle", "yoga")).rows.tolist() == [6, 5]
    assert rows_for(SPACE, trained, ("Idle", "vault"), "k4").rows.tolist() == [6, 3]


def test_classes_without_a_row_are_refused_or_random() -> None:
    target = ("yoga", "cooking", "abseilign")
    with pytest.raises(
        LabelSpaceError, match=r"2 of 3 classes have no row .*'abseilign'; nearest: 'ab"
    ):
        rows_for(SPACE, SPACE.classes, target)
    rows = rows_for(SPACE, SPACE.classes, target, allow_fresh=True)
    assert rows.rows.tolist() == [5, -1, -1] and rows.without_row == ("cooking", "abseilign")
    assert rows.lines() == [
        "head: 1 of 3 classes have one of the 6 trained rows",
        "head: random rows: cooking; abseilign",
    ]
    with pytest.raises(LabelSpaceError, match="1 of 1 classes"):
        rows_for(SPACE, SPACE.classes, ("yoga",), "k4")  # only k7 has it
    many = tuple(f"class {i}" for i in range(20))
    with pytest.raises(LabelSpaceError, match="'class 7' and 12 more"):
        rows_for(SPACE, SPACE.classes, many)


def test_an_ambiguous_name_requires_its_set() -> None:
    assert rows_for(DISTINCT, DISTINCT.classes, ("prep", "open"), "a").rows.tolist() == [0, 3]
    assert rows_for(DISTINCT, DISTINCT.classes, ("prep", "open"), "b").rows.tolist() == [2, 1]
    assert rows_for(DISTINCT, DISTINCT.classes, DISTINCT.classes).rows.tolist() == [0, 1, 2, 3]
    with pytest.raises(
        LabelSpaceError, match=r"target: 'prep' may be 'prep \(a\)' or 'prep \(b\)'"
    ):
        rows_for(DISTINCT, DISTINCT.classes, ("prep",))
    with pytest.raises(LabelSpaceError, match="target: 'open' may be 'begin' or 'open'"):
        rows_for(DISTINCT, DISTINCT.classes, ("begin", "open"), allow_fresh=True)
    with pytest.raises(LabelSpaceError, match="trained: 'prep' may be"):
        rows_for(DISTINCT, DISTINCT.names["b"], DISTINCT.names["b"], "b")


def test_duplicate_names_and_unknown_sets_are_refused() -> None:
    with pytest.raises(LabelSpaceError, match="target: 'Yoga' is there twice, also as 'yoga'"):
        rows_for(SPACE, SPACE.classes, ("yoga", "Yoga"))
    with pytest.raises(LabelSpaceError, match="trained: 'A' is there twice, also as 'a'"):
        rows_for(SPACE, ("a", "A"), ("yoga",))
    with pytest.raises(LabelSpaceError, match="no set 'k8'"):
        rows_for(SPACE, SPACE.classes, ("yoga",), "k8")
    with pytest.raises(LabelSpaceError, match="'sniffing' is both 'sniffing' and 'smelling feet'"):
        rows_for(SPACE, ("sniffing", "smelling feet"), ("sniffing",))


def test_published_rows_are_read_and_repeats_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[5, 0, 5, 1]")
    rows = read_rows(path, trained=6, target=4)
    assert rows.rows.tolist() == [5, 0, 5, 1] and rows.trained == 6
    assert rows.repeated == {5: ("0", "2")} and "head: share row 5: 0; 2" in rows.lines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[0, 1]", "has 2 rows, the target has 3 classes"),
        ("[]", "has 0 rows, the target has 3"),
        ("[0, 1, 6]", "class 2 has row 6, the trained head has 0 to 5"),
        ("[0, -1, 2]", "class 1 has row -1"),
        ("[0, 1.0, 2]", "not 1.0"),
        ("[0, true, 2]", "not True"),
        ('[0, "1", 2]', "not '1'"),
        ("[0, null, 2]", "not None"),
        ("[0, NaN, 2]", "not nan"),
        ("[[0], 1, 2]", r"not \[0\]"),
        ('{"0": 1}', r"not \{'0': 1\}"),
        ("0", "not 0"),
        ("null", "not None"),
        ("[0, 1", "is not JSON"),
        ("", "is empty"),
        (f"[0, 1, {'9' * 4000}]", "class 2 has row 9"),
    ],
)
def test_invalid_rows_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(LabelSpaceError, match=message) as caught:
        read_rows(path, trained=6, target=3)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
