"""Class lists: each format, and each kind of error."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from finetune.label_space.class_lists import read_classes
from finetune.label_space.parse import LabelSpaceError

NAMES = ("Preparation", "passing (in game), slowly", "no", "1", "\u00c9cart: large")


def written(folder: Path, text: str | bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


FORMS = {
    "a.txt": "\n".join(NAMES) + "\n\n",
    "b.txt": "\ufeff" + "\r\n".join(NAMES),
    "c.csv": 'label\nPreparation\n"passing (in game), slowly"\nno\n1\n\u00c9cart: large\n',
    "d.csv": "name,index,colour\n1,3,r\nPreparation,0,g\n\u00c9cart: large,4,\n"
    '"passing (in game), slowly",1,b\nno,2,b\n',
    "e.CSV": 'Index,Class\n0,Preparation\n1,"passing (in game), slowly"\n2,no\n3,1\n'
    "4,\u00c9cart: large",
    "f.json": json.dumps(NAMES),
    "g.json": json.dumps({name: i for i, name in reversed(list(enumerate(NAMES)))}),
    "h.json": json.dumps({str(i): name for i, name in reversed(list(enumerate(NAMES)))}),
    "i.yaml": "- Preparation\n- passing (in game), slowly\n- no\n- 1\n- '\u00c9cart: large'\n",
    "j.yml": "{0: Preparation, 1: 'passing (in game), slowly', 2: no, 3: '1',"
    " 4: '\u00c9cart: large'}",
    "k.yaml": "Preparation: 0\n'\u00c9cart: large': 4\n1: 3\nno: 2\npassing (in game), slowly: 1\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_gives_the_names_by_index(tmp_path: Path, name: str) -> None:
    assert read_classes(written(tmp_path, FORMS[name], name)).names == NAMES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", " \n\n", "is empty"),
        ("a.txt", b"\xff\xfea\x00", "is not UTF-8"),
        ("a.txt", "a\n\nb\n", r"a\.txt:2: '' is not a class name"),
        ("a.txt", "# all\na\n", r"a\.txt:1: '# all' is not a class name"),
        ("a.txt", "a\nb\n A\n", r"a\.txt:3: 'A' is the same name as 'a', line 1"),
        ("a.txt", "a-b\nAB\n", r"a\.txt:2: 'AB' is the same name as 'a-b', line 1"),
        ("a.txt", "a\nb\x00c\n", r"a\.txt:2: 'b\\x00c' has a control character"),
        ("a.txt", "a\rb\rc", r"a\.txt:1: .* control character"),
        ("a.txt", "a\n--\n", r"a\.txt:2: '--' has no letter or digit"),
        ("a.txt", "0 a\n1 b\n", "every line starts with its number"),
        ("a.txt", "1. a\n2. b\n", "every line starts with its number"),
        ("a.txt", '["a"]', "looks like JSON"),
        ("a.csv", "time,phase\n0,a\n", r"a\.csv:1: has the columns time, phase"),
        ("a.csv", "label,name\n0,a\n", r"a\.csv:1: has the columns label, name; give one"),
        ("a.csv", "0,a\n1,b\n", r"a\.csv:1: has the columns 0, a"),
        ("a.csv", "label\n", "contains no classes"),
        ("a.csv", "label\na\n\nb\n", r"a\.csv:3: has 0 fields of 1"),
        ("a.csv", "index,name\n0,a\n1,b,c\n", r"a\.csv:3: has 3 fields of 2"),
        ("a.csv", "index,name\n1,a\n2,b\n", r"a\.csv:3: index '2' of 'b' is not in 0 to 1"),
        ("a.csv", "index,name\n0,a\n0,b\n", r"a\.csv:3: index '0' of 'b' is there twice"),
        ("a.csv", "index,name\n0.0,a\n", r"a\.csv:2: index '0\.0'"),
        ("a.csv", "index,name\n-1,a\n", r"a\.csv:2: index '-1'"),
        ("a.csv", f"index,name\n{'9' * 9999},a\n", r"a\.csv:2: index '9999"),
        ("a.csv", 'name\n"a\nb"\n', "control character"),
        ("a.csv", 'name\n"a"b\n', "is not CSV"),
        ("a.json", "[1]", "class 0: 1 is not a name"),
        ("a.json", '["a", null]', "class 1: None is not a name"),
        ("a.json", '["a", "\\ud800"]', "class 1: .* control character"),
        ("a.json", "[]", "is neither a list of names"),
        ("a.json", '"a"', "is neither a list of names"),
        ("a.json", '["a",\n', r"a\.json:\d: is not JSON"),
        ("a.json", '{"a": 0, "a": 1}', "'a' is there twice"),
        ("a.json", '{"a": 0, "b": 0}', "index '0' of 'b' is there twice"),
        ("a.json", '{"a": true}', "'a': True is neither"),
        ("a.json", '{"a": 0.0}', "'a': 0.0 is neither"),
        ("a.json", '{"a": NaN}', "'a': nan is neither"),
        ("a.json", '{"a": 1}', "index '1' of 'a' is not in 0 to 0"),
        ("a.json", '{"0": "a", "2": "b"}', "index '2' of 'b' is not in 0"),
        ("a.json", '{"0": ["a"]}', "is neither"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", f"[{'9' * 9999}]", "is not JSON"),
        ("a.yaml", "[" * 20_000, "is nested more than 50 levels deep"),
        ("a.yaml", "- a\n- b: c\n", r"a\.yaml:2: .* put quotes around"),
        ("a.yaml", "- a\n-\n", r"a\.yaml:2: .* must be text, not nothing"),
        ("a.yaml", "a: 0\na: 1\n", r"a\.yaml:2: a is given twice, first in line 1"),
        ("a.yaml", "? [a]\n: 0\n", r"a\.yaml:1: a key of .* must be a word, not a list"),
        ("a.yaml", "a: [0]\n", r"a\.yaml:1: 'a' has neither an index"),
        ("a.yaml", "just text\n", r"a\.yaml:1: .* must be a mapping"),
        ("a.yaml", "- a\n---\n- b\n", r"a\.yaml:2: begins a second document"),
        ("a.yaml", "- !!python/name:os.system x\n", r"a\.yaml:1: .* tags are not supported"),
        ("a.yaml", "a: 00\nb: 01\n", r"a\.yaml:1: 00 is ambiguous"),
        ("a.yaml", "# nothing\n", "is empty"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(LabelSpaceError, match=message) as caught:
        read_classes(written(tmp_path, text, name))
    assert "\n" not in str(caught.value) and caught.value.exit_status == 2


def test_folders_pipes_and_large_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelSpaceError, match="is not a regular file"):
        read_classes(tmp_path)
    with pytest.raises(LabelSpaceError, match="no such file"):
        read_classes(tmp_path / "absent.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(LabelSpaceError, match="is not a regular file"):
        read_classes(tmp_path / "pipe.txt")
    with pytest.raises(LabelSpaceError, match="more than 1 MiB"):
        read_classes(written(tmp_path, "a\n" * 2**20, "large.txt"))


@pytest.mark.parametrize("name", FORMS)
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    whole, draw = FORMS[name].encode(), np.random.default_rng(len(name))
    refused = 0
    for _ in range(150):
        content = bytearray(whole)
        for place in draw.integers(0, len(content), draw.integers(1, 4)):
            content[place] = int(draw.integers(0, 256))
        damaged = bytes(content[: draw.integers(1, len(content) + 1)])
        try:
            names = read_classes(written(tmp_path, damaged, name)).names
            assert names and all(names)
        except LabelSpaceError as error:
            refused += 1
            assert "\n" not in str(error) and name in str(error)
    assert refused > 15
