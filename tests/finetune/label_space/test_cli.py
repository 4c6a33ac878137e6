"""`merge`: from class lists to a label space and a report."""

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
        "label space: 6 classes from 8, 2 of several sets",
        "merged: 'Preparation': a 'Preparation', b 'preparation'",
        "merged: 'CalotTriangleDissection': a 'CalotTriangleDissection', b 'calot triangle "
        "dissection'",
        "only in a: 2 (Cleaning; Packaging)",
        "only in b: 2 (packagings; idle time)",
        "similar, but not merged: 1, see below",
        "similar (0.95): a 'Packaging' and b 'packagings'",
        f"written: {out}",
    ]
    space = read_label_space(out)
    assert space.sets == {"a": (0, 1, 2, 3), "b": (1, 4, 5, 0)}
    assert space.names["a"] == tuple(A.split()) and space.synonyms == ""
    assert space.sha256 == {of: sha256_file(path) for of, path in sets.items()}


def test_synonyms_are_part_of_the_space(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    synonyms = tmp_path / "synonyms.yaml"
    synonyms.write_text(SYNONYMS + "distinct: [['a:Preparation', 'b:preparation']]\n")
    lines = merge_files(out, sets, synonyms)
    assert "merged: 'cleaning and coagulation': a 'Cleaning', b 'idle time'" in lines
    assert "distinct: a 'Preparation' and b 'preparation'" in lines
    assert [line for line in lines if line.startswith("similar")] == [
        "similar, but not merged: 1, see below",
        "similar (0.95): a 'Packaging' and b 'packagings'",
    ]
    space = read_label_space(out)
    assert space.classes[2] == "cleaning and coagulation" and space.classes[0] == "Preparation (a)"
    assert space.synonyms == sha256_file(synonyms)


def test_similar_distinct_classes_are_listed_once(tmp_path: Path) -> None:
    sets, synonyms = files(tmp_path, a=A, b=B), tmp_path / "synonyms.yaml"
    synonyms.write_text(
        "distinct: [['b:packagings', 'a:packaging']]\ncleaning: ['b:preparation']\n"
    )
    lines = merge_files(tmp_path / "space.yaml", sets, synonyms)
    assert [line for line in lines if line.startswith(("distinct", "similar"))] == [
        "distinct: a 'Preparation' and a 'Cleaning', b 'preparation'",
        "distinct: a 'Packaging' and b 'packagings'",
        "similar, but not merged: 0",
    ]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    merge_files(out, sets)
    before = out.read_bytes(), out.stat().st_mtime_ns
    assert merge_files(out, sets)[-1] == f"unchanged: {out}"
    assert before == (out.read_bytes(), out.stat().st_mtime_ns)


def test_a_merged_space_merges_with_itself_to_itself(tmp_path: Path) -> None:
    merge_files(tmp_path / "once.yaml", files(tmp_path, a=A, b=B))
    classes = read_label_space(tmp_path / "once.yaml").classes
    again = files(tmp_path, x="\n".join(classes), y="\n".join(reversed(classes)))
    merge_files(tmp_path / "twice.yaml", again)
    space = read_label_space(tmp_path / "twice.yaml")
    assert space.classes == classes and space.sets["y"] == tuple(reversed(range(len(classes))))


def test_another_space_is_replaced_and_reported(tmp_path: Path) -> None:
    out = tmp_path / "space.yaml"
    merge_files(out, files(tmp_path, a=A, b=B))
    lines = merge_files(out, files(tmp_path, a=A))
    assert lines[-2].startswith(f"replaced: {out}, which had 6 classes; heads trained on it")
    assert len(read_label_space(out).classes) == 4


def test_nothing_but_a_space_is_replaced(tmp_path: Path) -> None:
    sets = files(tmp_path, a=A, b=B)
    for out in (sets["a"], tmp_path):
        with pytest.raises(LabelSpaceError, match="is not a label space; choose another name"):
            merge_files(out, sets)
    assert sets["a"].read_text() == A
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.txt"}


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    sets, out = files(tmp_path, a=A, b=B), tmp_path / "space.yaml"
    synonyms = tmp_path / "synonyms.yaml"
    synonyms.write_text("x: [nowhere]\n")
    with pytest.raises(LabelSpaceError, match=r"synonyms\.yaml:1: no set has"):
        merge_files(out, sets, synonyms)
    with pytest.raises(LabelSpaceError, match=r"absent\.txt: cannot be read"):
        merge_files(out, {**sets, "c": tmp_path / "absent.txt"})
    for name in ("", "a:b", "a b", "a\nb", "-a"):
        with pytest.raises(LabelSpaceError, match="the name of a set has letters") as caught:
            merge_files(out, {name: sets["a"]})
        assert "\n" not in str(caught.value)
    with pytest.raises(LabelSpaceError, match="no sets are given"):
        merge_files(out, {})
    assert not out.exists()


def test_classes_of_one_set_are_never_reported_as_similar(tmp_path: Path) -> None:
    sets = files(tmp_path, a="hugging\nsinging", b="hugging (not baby)\nhugging baby\nringing")
    lines = merge_files(tmp_path / "space.yaml", sets)
    assert [line for line in lines if line.startswith("similar (")] == [
        "similar (1.00): a 'hugging' and b 'hugging (not baby)'",
        "similar (1.00): a 'hugging' and b 'hugging baby'",
        "similar (0.86): a 'singing' and b 'ringing'",
    ]
