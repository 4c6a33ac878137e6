"""`merge`: from files of classes to a space and a report."""

from pathlib import Path

import pytest

from finetune.label_space.cli import merge_files
from finetune.label_space.label_space import read_label_space
from finetune.label_space.parse import LabelSpaceError
from launch.atomic_io import sha256_file

A = "Preparation\nCalotTriangleDissection\nCleaning\nPackaging\n"
B = "calot triangle dissection\npackagings\nidle time\npreparation\n"
SYNONYMS = "cleaning and coagulation: ['a:Cleaning', 'b:idle time']\n"


def files(folder: Path, **texts: str) -> dict[str, Path]:
    for of, text in texts.items():
        (folder / f"{of}.txt").write_text(text)
    return {of: folder / f"{of}.txt" for of in texts}


def test_a_space_and_its_report(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    assert merge_files(out, sets) == [
        f"a: 4 classes of {sets['a']}",
        f"b: 4 classes of {sets['b']}",
        "merged space: 6 classes of 8, 2 of several sets",
        "merged: 'Preparation': a 'Preparation', b 'preparation'",
        "merged: 'CalotTriangleDissection': a 'CalotTriangleDissection', b 'calot triangle "
        "dissection'",
        "only in a: 2 (Cleaning; Packaging)",
        "only in b: 2 (packagings; idle time)",
        "alike, but not merged: 1, see below",
        "alike (0.95): a 'Packaging' and b 'packagings'",
        f"written: {out}",
    ]
    space = read_label_space(out)
    assert space.sets == {"a": (0, 1, 2, 3), "b": (1, 4, 5, 0)}
    assert space.names["a"] == tuple(A.split()) and space.synonyms == ""
    assert space.sha256 == {of: sha256_file(path) for of, path in sets.items()}


def test_synonyms_are_part_of_the_space(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    told = tmp_path / "synonyms.yaml"
    told.write_text(SYNONYMS + "distinct: [['a:Preparation', 'b:preparation']]\n")
    lines = merge_files(out, sets, told)
    assert "merged: 'cleaning and coagulation': a 'Cleaning', b 'idle time'" in lines
    assert "told apart: a 'Preparation' and b 'preparation'" in lines
    assert [line for line in lines if line.startswith("alike")] == [
        "alike, but not merged: 1, see below",
        "alike (0.95): a 'Packaging' and b 'packagings'",
    ]
    space = read_label_space(out)
    assert space.classes[2] == "cleaning and coagulation" and space.classes[0] == "Preparation (a)"
    assert space.synonyms == sha256_file(told)


def test_what_is_alike_and_told_apart_is_listed_once(tmp_path: Path) -> None:
    sets, told = files(tmp_path, a=A, b=B), tmp_path / "synonyms.yaml"
    told.write_text("distinct: [['b:packagings', 'a:packaging']]\ncleaning: ['b:preparation']\n")
    lines = merge_files(tmp_path / "space.yaml", sets, told)
    assert [line for line in lines if line.startswith(("told", "alike"))] == [
        "told apart: a 'Preparation' and a 'Cleaning', b 'preparation'",
        "told apart: a 'Packaging' and b 'packagings'",
        "alike, but not merged: 0",
    ]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    merge_files(out, sets)
    before = out.read_bytes(), out.stat().st_mtime_ns
    assert merge_files(out, sets)[-1] == f"as it was: {out}"
    assert before == (out.read_bytes(), out.stat().st_mtime_ns)


def test_a_merged_space_merges_with_itself_to_itself(tmp_path: Path) -> None:
    merge_files(tmp_path / "once.yaml", files(tmp_path, a=A, b=B))
    classes = read_label_space(tmp_path / "once.yaml").classes
    again = files(tmp_path, x="\n".join(classes), y="\n".join(reversed(classes)))
    merge_files(tmp_path / "twice.yaml", again)
    space = read_label_space(tmp_path / "twice.yaml")
    assert space.classes == classes and space.sets["y"] == tuple(reversed(range(len(classes))))


def test_another_space_is_replaced_and_told(tmp_path: Path) -> None:
    out = tmp_path / "space.yaml"
    merge_files(out, files(tmp_path, a=A, b=B))
    lines = merge_files(out, files(tmp_path, a=A))
    assert lines[-2].startswith(f"replaced: {out}, which had 6 classes; heads trained on it")
    assert len(read_label_space(out).classes) == 4


def test_nothing_but_a_space_is_replaced(tmp_path: Path) -> None:
    sets = files(tmp_path, a=A, b=B)
    for out in (sets["a"], tmp_path):
        with pytest.raises(LabelSpaceError, match="is there and no label space; take another name"):
            merge_files(out, sets)
    assert sets["a"].read_text() == A
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt"}


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    told = tmp_path / "synonyms.yaml"
    told.write_text("x: [nowhere]\n")
    with pytest.raises(LabelSpaceError, match=r"synonyms\.yaml:1: no set has"):
        merge_files(out, sets, told)
    with pytest.raises(LabelSpaceError, match=r"absent\.txt: is not there"):
        merge_files(out, {**sets, "c": tmp_path / "absent.txt"})
    for name in ("", "a:b", "a b", "a\nb", "-a"):
        with pytest.raises(LabelSpaceError, match="a set's name has letters") as caught:
            merge_files(out, {name: sets["a"]})
        assert "\n" not in str(caught.value)
    with pytest.raises(LabelSpaceError, match="of no sets"):
        merge_files(out, {})
    assert not out.exists()


def test_only_classes_that_no_set_has_both_of_are_alike(tmp_path: Path) -> None:
    sets = files(tmp_path, a="hugging\nsinging", b="hugging (not baby)\nhugging baby\nringing")
    lines = merge_files(tmp_path / "space.yaml", sets)
    assert [line for line in lines if line.startswith("alike (")] == [
        "alike (1.00): a 'hugging' and b 'hugging (not baby)'",
        "alike (1.00): a 'hugging' and b 'hugging baby'",
        "alike (0.86): a 'singing' and b 'ringing'",
    ]
