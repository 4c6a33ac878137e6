"""Kinetics 400, 600 and 700 merged into the published 710 classes, if the lists are available.

The tests need label_map_k400.txt, _k600, _k700 and _k710, one name per line, in
shared/labels/kinetics beside the checkout or in the folder that KINETICS_LISTS names. They compare
label_710to400.json and so on if these are there too.
"""

import os
from pathlib import Path

import pytest

from finetune.label_space.cli import merge_files
from finetune.label_space.head_rows import read_rows, rows_for
from finetune.label_space.label_space import LabelSpace, read_label_space

FOLDER = Path(
    os.environ.get("KINETICS_LISTS", Path(__file__).parents[4] / "shared/labels/kinetics")
)
LISTS = {f"k{size}": FOLDER / f"label_map_k{size}.txt" for size in (400, 600, 700)}
MERGED = FOLDER / "label_map_k710.txt"
SYNONYMS = """
inflating balloons: ["k400:balloon blowing"]
changing wheel (not on bike): ["k400:changing wheel"]
cooking sausages (not on barbeque): ["k400:cooking sausages"]
sipping cup: ["k400:drinking"]
dyeing hair: ["k400:dying hair"]
person collecting garbage: ["k400:garbage collecting"]
hugging (not baby): ["k400:hugging"]
making the bed: ["k400:making bed"]
opening bottle (not wine): ["k400:opening bottle"]
picking apples: [picking fruit]
skiing mono: ["k400:skiing (not slalom or crosscountry)"]
smelling feet: ["k400:sniffing"]
tying necktie: ["k400:tying tie"]
throwing ball: [throwing ball (not baseball or American football)]
"""

missing = [path.name for path in (*LISTS.values(), MERGED) if not path.is_file()]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"{FOLDER} has no {', '.join(missing)}")


@pytest.fixture
def space(tmp_path: Path) -> LabelSpace:
    (tmp_path / "synonyms.yaml").write_text(SYNONYMS)
    merge_files(tmp_path / "space.yaml", LISTS, tmp_path / "synonyms.yaml")
    return read_label_space(tmp_path / "space.yaml")


def test_names_and_synonyms_make_the_published_classes(space: LabelSpace) -> None:
    published = MERGED.read_text().splitlines()
    assert set(space.classes) == set(published) and len(space.classes) == 710
    assert space.classes[:400] == tuple(published[:400])


def test_without_synonyms_the_renamed_classes_are_left(tmp_path: Path) -> None:
    lines = merge_files(tmp_path / "space.yaml", LISTS)
    assert "label space: 724 classes from 1700, 608 of several sets" in lines
    assert "similar, but not merged: 14, see below" in lines


@pytest.mark.parametrize("of", LISTS)
def test_rows_of_the_published_head_are_those_published(space: LabelSpace, of: str) -> None:
    published = tuple(MERGED.read_text().splitlines())
    rows = rows_for(space, published, space.names[of], of)
    assert not rows.without_row and not rows.repeated
    assert [published[row] for row in rows.rows] == [space.classes[i] for i in space.sets[of]]
    listed = FOLDER / f"label_710to{of[1:]}.json"
    if listed.is_file():
        target = len(space.names[of])
        assert rows.rows.tolist() == read_rows(listed, len(published), target).rows.tolist()
