"""Comparison of names: an equivalence that is neither too coarse nor too fine."""

import sys
import unicodedata

import numpy as np
import pytest

from finetune.label_space.name_matching import (
    MIN_SIMILARITY,
    name_problem,
    nearest,
    normalised_name,
    similarity,
    words,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CalotTriangleDissection", "calot triangle dissection"),
        ("calot-triangle-dissection", "Calot_Triangle  Dissection"),
        ("P2_CalotTriangle", "p2 calot triangle"),
        ("LigaSure use", "ligasure USE"),
        ("massaging person's head", "massaging person\u2019s head"),
        ("passing American football (in game)", "passing american football, in game"),
        ("Pr\u00e4paration", "PRA\u0308PARATION"),
        ("\uff23lipping\u00a0\uff12", "clipping 2"),
        ("Stra\u00dfe", "STRASSE"),
        ("clip\u200bping", "clipping"),
        ("grade 1-2", "grade 1.2"),
    ],
)
def test_names_that_are_the_same(one: str, other: str) -> None:
    assert normalised_name(one) == normalised_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hugging", "hugging (not baby)"),
        ("dying hair", "dyeing hair"),
        ("carlot triangle dissection", "calot triangle dissection"),
        ("grade 1-2", "grade 12"),
        ("phase 1 1", "phase 11"),
        ("bleeding +", "bleeding"),
        ("<5 mm", ">5 mm"),
        ("resume", "r\u00e9sum\u00e9"),
        ("cutting", "cutting cutting"),
    ],
)
def test_names_that_differ(one: str, other: str) -> None:
    assert normalised_name(one) != normalised_name(other)


def test_normalising_twice_changes_nothing() -> None:
    draw = np.random.default_rng(0)
    kinds = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) != "Cs"]
    for c in kinds[:40_000]:
        assert normalised_name(normalised_name(c)) == normalised_name(c), hex(ord(c))
    for _ in range(20_000):
        name = "".join(kinds[i] for i in draw.integers(0, 12_000, draw.integers(1, 8)))
        assert normalised_name(normalised_name(name)) == normalised_name(name), name.encode(
            "unicode_escape"
        )


def test_case_and_separators_never_matter_between_letters() -> None:
    draw = np.random.default_rng(1)
    for _ in range(500):
        letters = "".join(draw.choice(list("abcxyz"), draw.integers(2, 12)))
        spelt = letters[0]
        for letter in letters[1:]:
            spelt += str(draw.choice(["", " ", "-", "_", " - ", "\u2014", "/"]))
            spelt += letter.upper() if draw.random() < 0.5 else letter
        assert normalised_name(spelt) == letters


def test_words_are_split_at_capitals_and_separators() -> None:
    assert words("CalotTriangleDissection") == ("calot", "triangle", "dissection")
    assert words("DNATest_3D (not-baby)") == ("dna", "test", "3d", "not", "baby")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "no letter or digit"),
        ("---", "no letter or digit"),
        ("\u200b", "no letter or digit"),
        ("a\nb", "control character"),
        ("a\x1b[31m", "control character"),
        ("a\ud800", "control character"),
        ("a\u2028b", "control character"),
        ("a" * 201, "has 201 characters"),
    ],
)
def test_invalid_names_have_a_problem(name: str, fault: str) -> None:
    assert fault in name_problem(name)
    assert not name_problem("passing (in game) \u2013 3")


def test_likeness_is_of_letters_or_of_words() -> None:
    assert similarity(words("hugging"), words("hugging (not baby)")) == 1
    assert MIN_SIMILARITY < similarity(words("dying hair"), words("dyeing hair")) < 1
    assert similarity(words("knitting"), words("waterskiing")) == 0
    assert similarity(words("a b"), words("b c")) == similarity(words("b c"), words("a b"))


def test_the_nearest_name_is_a_hint_or_nothing() -> None:
    assert nearest("preperation", ("clipping", "preparation")) == "; nearest: 'preparation'"
    assert nearest("xyz", ("clipping",)) == ""
