"""Merging: by name and by synonym, never distinct pairs, for any order of the sets."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from finetune.label_space.class_lists import ClassList, read_classes
from finetune.label_space.merge import MergedClass, merge, name_of
from finetune.label_space.name_matching import normalised_name
from finetune.label_space.parse import LabelSpaceError
from finetune.label_space.synonyms import read_synonyms

# the structure of three versions of one set: renamed, split, added and dropped classes
SETS = {
    "k4": ["abseiling", "hugging", "TyingTie", "sniffing", "vault"],
    "k6": ["abseiling", "hugging (not baby)", "hugging baby", "tying necktie", "smelling feet"],
    "k7": ["hugging baby", "Abseiling", "hugging (not baby)", "tying-necktie", "yoga"],
}
SYNONYMS = """
hugging (not baby): [hugging]
tying necktie: ["k4:tying tie"]
smelling feet: [sniffing]
"""


def lists(folder: Path, sets: dict[str, list[str]]) -> dict[str, ClassList]:
    for of, names in sets.items():
        (folder / f"{of}.txt").write_text("\n".join(names))
    return {of: read_classes(folder / f"{of}.txt") for of in sets}


def merged(
    folder: Path, sets: dict[str, list[str]], synonyms: str = ""
) -> tuple[dict[str, ClassList], tuple[MergedClass, ...]]:
    class_lists = lists(folder, sets)
    path = folder / "synonyms.yaml"
    path.write_text(synonyms)
    return class_lists, merge(class_lists, read_synonyms(path, sets) if synonyms.strip() else None)


def by_names(sets: dict[str, ClassList], groups: tuple[MergedClass, ...]) -> set[frozenset[str]]:
    return {
        frozenset(f"{m.set_name}:{name_of(sets, m)}" for m in group.members) for group in groups
    }


def test_only_equal_names_merge_without_synonyms(tmp_path: Path) -> None:
    _, groups = merged(tmp_path, SETS)
    assert [group.name for group in groups] == [
        "abseiling",
        "hugging",
        "TyingTie",
        "sniffing",
        "vault",
        "hugging (not baby)",
        "hugging baby",
        "tying necktie",
        "smelling feet",
        "yoga",
    ]
    assert [len(group.members) for group in groups] == [3, 1, 1, 1, 1, 2, 2, 2, 1, 1]


def test_synonyms_give_the_canonical_name_at_the_first_ones_place(tmp_path: Path) -> None:
    _, groups = merged(tmp_path, SETS, SYNONYMS)
    assert [group.name for group in groups] == [
        "abseiling",
        "hugging (not baby)",
        "tying necktie",
        "smelling feet",
        "vault",
        "hugging baby",
        "yoga",
    ]
    assert [len(group.members) for group in groups] == [3, 3, 3, 2, 1, 2, 1]


def test_merging_does_not_depend_on_the_order_of_sets(tmp_path: Path) -> None:
    distinct = SYNONYMS + 'distinct: [["k6:hugging baby", "k7:hugging baby"]]\n'
    for synonyms in ("", SYNONYMS, distinct):
        found = []
        for order in permutations(SETS):
            sets, groups = merged(tmp_path, {of: SETS[of] for of in order}, synonyms)
            found.append(by_names(sets, groups))
            assert sum(len(group.members) for group in groups) == 15
        assert all(each == found[0] for each in found)


def test_random_sets_merge_exactly_equal_normalised_names(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    pool = [f"{a}{b}{c}" for a in ("cut", "Cut", "clip") for b in (" ", "-") for c in "AbCd1"]
    for _ in range(30):
        sets = {}
        for of in "xyz":
            picked = draw.permutation(pool)[: draw.integers(1, len(pool))].tolist()
            sets[of] = list({normalised_name(name): name for name in picked}.values())
        class_lists, groups = merged(tmp_path, sets)
        keys = [
            {normalised_name(name_of(class_lists, m)) for m in group.members} for group in groups
        ]
        assert all(len(of) == 1 for of in keys)
        assert len(set.union(*keys)) == len(groups)
        assert all(
            len({m.set_name for m in group.members}) == len(group.members) for group in groups
        )
        again = {"once": [group.name for group in groups]}
        assert [group.name for group in merged(tmp_path, again)[1]] == again["once"]


def test_a_synonym_of_one_set_leaves_the_name_to_others(tmp_path: Path) -> None:
    sets = {"a": ["dissection", "closing"], "b": ["dissection", "calot dissection"]}
    class_lists, groups = merged(tmp_path, sets, 'calot dissection: ["a:dissection"]')
    assert by_names(class_lists, groups) == {
        frozenset({"a:dissection", "b:calot dissection"}),
        frozenset({"a:closing"}),
        frozenset({"b:dissection"}),
    }
    assert [group.name for group in groups] == ["calot dissection", "closing", "dissection"]


def test_distinct_classes_of_one_name_are_two_with_their_sets_in_the_name(tmp_path: Path) -> None:
    sets = {"a": ["prep"], "b": ["Prep", "end"], "c": ["PREP"]}
    synonyms = "distinct: [['a:prep', 'b:prep'], ['b:prep', 'c:prep']]"
    class_lists, groups = merged(tmp_path, sets, synonyms)
    assert [group.name for group in groups] == ["prep (a)", "Prep (b)", "end"]
    assert by_names(class_lists, groups) >= {frozenset({"a:prep", "c:PREP"}), frozenset({"b:Prep"})}


def test_a_name_with_a_colon_is_a_name_unless_a_set_is_before_it(tmp_path: Path) -> None:
    sets = {"a": ["step: one"], "b": ["first step"]}
    _, groups = merged(tmp_path, sets, "first step: ['step: one']")
    assert [len(group.members) for group in groups] == [2]


AB = {"a": ["one", "two", "prep"], "b": ["eins", "zwei", "prep"]}


@pytest.mark.parametrize(
    ("synonyms", "message"),
    [
        (
            "one: [eins]\n\ntwo: [eins]\n",
            r"yaml:3: b 'eins' is a synonym of 'two', and in line 1",
        ),
        (
            "one: [eins]\ntwo: ['b:eins']\n",
            r"yaml:2: b 'eins' is a synonym of 'two', and in line 1",
        ),
        (
            "uno: [one]\none: [eins]\n",
            r"yaml:2: a 'one' is a synonym of 'one', and in line 1 of 'uno'",
        ),
        ("one: [eins, Eins]\n", r"yaml:1: 'Eins' is there twice"),
        ("one: [eins]\nONE: [zwei]\n", r"yaml:2: 'ONE' is the same name as 'one', line 1"),
        ("one: [eins]\none: [zwei]\n", r"yaml:2: one is given twice, first in line 1"),
        ("one: [einz]\n", r"yaml:1: no set has a class 'einz'; nearest: 'eins'"),
        ("one: ['a:eins']\n", r"yaml:1: a has no class 'eins'"),
        ("one: ['d:eins']\n", r"yaml:1: no set .* 'd:eins' \(the sets are a, b\)"),
        ("uno:\n- one\n- two\n", r"yaml:3: a 'one' and 'two' would be one class, 'uno'"),
        ("one: [two]\n", r"yaml:1: .* would be one class, 'one'; classes of one set"),
        ("'a:one': [eins]\n", r"yaml:1: 'a:one' is a class of the label space"),
        ("distinct: [['a:prep', 'b:x']]\n", r"yaml:1: b has no class 'x'"),
        ("distinct: [['a:prep', 'c:prep']]\n", r"yaml:1: write 'c:prep' with its set, one of a, b"),
        ("distinct: [[prep, 'b:prep']]\n", r"yaml:1: write 'prep' with its set, one of a, b"),
        ("distinct: [['a:one', 'a:two']]\n", r"yaml:1: .* are of one set"),
        ("distinct: [['a:one']]\n", r"yaml:1: an item of distinct must be a pair, not 1"),
        ("distinct: ['a:one']\n", r"yaml:1: an item of distinct must be a list"),
        ("distinct: []\n", r"yaml:1: distinct must be a list of pairs; add some or remove"),
        ("distinct: {a: b}\n", r"yaml:1: distinct must be a list of pairs"),
        ("uno: [one, eins]\ndistinct: [['a:one', 'b:eins']]\n", r"yaml:2: .* both are 'uno'"),
        ("one: [eins]\ndistinct: [['a:one', 'b:eins']]\n", r"yaml:2: .* both are 'one' in lines"),
        ("one: eins\n", r"yaml:1: other names must be a list"),
        ("one: []\n", r"yaml:1: other names must be a list with at least one"),
        ("one:\n- b: eins\n", r"yaml:2: other names must be a list of strings; put quotes"),
        ("one: ['']\n", r"yaml:1: '' has no letter or digit"),
        ("- one\n", r"yaml:1: a file of synonyms must be a mapping"),
        ("one: [eins\n", "is not YAML"),
    ],
)
def test_contradictions_are_refused_with_their_line(
    tmp_path: Path, synonyms: str, message: str
) -> None:
    for order in permutations(AB):
        with pytest.raises(LabelSpaceError, match=message) as caught:
            merged(tmp_path, {of: AB[of] for of in order}, synonyms)
        assert "\n" not in str(caught.value)
        if "sets are" in message or "one of a, b" in message:
            break  # which lists the sets in their order


def test_a_third_set_with_the_name_of_a_distinct_pair_is_refused(tmp_path: Path) -> None:
    sets = {"a": ["prep"], "b": ["prep"], "c": ["prep"]}
    message = "a 'prep' and b 'prep' are distinct, and c 'prep' has the same name"
    for order in permutations(sets):
        with pytest.raises(LabelSpaceError, match=message):
            merged(tmp_path, {of: sets[of] for of in order}, "distinct: [['a:prep', 'b:prep']]")


def test_a_distinct_pair_may_be_of_names_that_differ(tmp_path: Path) -> None:
    _, groups = merged(tmp_path, AB, "distinct: [['a:one', 'b:eins']]")
    assert len(groups) == 5


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    sets = {"a": ["prep", "prep a"], "b": ["prep"]}
    with pytest.raises(LabelSpaceError, match=r"'prep \(a\)' and 'prep a' would be the same name"):
        merged(tmp_path, sets, "distinct: [['a:prep', 'b:prep']]")


def test_a_name_that_its_set_makes_too_long_is_refused(tmp_path: Path) -> None:
    sets = {of: [200 * "x"] for of in "ab"}
    with pytest.raises(LabelSpaceError, match=r"'x+' has 204 characters; .*give it a canonical"):
        merged(tmp_path, sets, f"distinct: [['a:{sets['a'][0]}', 'b:{sets['b'][0]}']]")
