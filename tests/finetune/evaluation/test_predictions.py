"""Files of predictions from anywhere: read back as written, or refused before they are read."""

import json
import os
import resource
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from finetune.evaluation.evaluate import evaluate, evaluation_lines, write_evaluation
from finetune.evaluation.plots import draw_confusion
from finetune.evaluation.predictions import (
    Predictions,
    PredictionsError,
    load_predictions,
    save_predictions,
)


def arrays(num_rows: int = 6, num_classes: int = 3, **other: object) -> dict[str, np.ndarray]:
    """The arrays of a file, with others in their place."""
    good = {
        "recording": np.array(["one", "two"]).repeat(num_rows // 2),
        "time": np.arange(num_rows, dtype=np.float64),
        "scores": np.eye(num_rows, num_classes, dtype=np.float32),
        "label": np.arange(num_rows) % num_classes,
        "classes": np.array([f"class {i}" for i in range(num_classes)]),
        "about": np.array(json.dumps({"samples": "timestamps"})),
    }
    return good | {name: np.asarray(value) for name, value in other.items()}


def written(folder: Path, given: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(folder / "p.npz", **given)
    return folder / "p.npz"


def refused(path: Path) -> str:
    with pytest.raises(PredictionsError) as caught:
        load_predictions(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 600
    return message


TYPES = (
    "f2",
    "f4",
    "f8",
    "g",
    "c8",
    "i1",
    "i8",
    "u8",
    "?",
    "U5",
    "S5",
    "M8[s]",
    "m8[s]",
    "V4",
    "O",
)
TYPES += ("i4,i4",)
ADMITTED = {"recording": "U", "time": "fiu", "scores": "fiu", "label": "iub", "classes": "U"}
ADMITTED["about"] = "U"


@pytest.mark.parametrize("field", ADMITTED)
def test_every_other_type_of_an_array_is_refused(tmp_path: Path, field: str) -> None:
    for name in TYPES:
        kind = np.dtype(name).kind
        if kind in ADMITTED[field]:
            continue
        values = np.zeros(arrays()[field].shape, dtype=name)
        message = refused(written(tmp_path, arrays(**{field: values})))
        assert f"{field} has the type {np.dtype(name)}; it must be" in message


def test_numbers_of_other_types_are_converted(tmp_path: Path) -> None:
    other = {name: arrays()[name].astype(">f8") for name in ("time", "scores")}
    read = load_predictions(written(tmp_path, arrays(**other, label=arrays()["label"] == 1)))
    assert (read.time.dtype, read.scores.dtype, read.label.dtype) == ("=f8", "=f4", "=i8")
    assert read.scores.tolist() == arrays()["scores"].tolist()
    assert read.label.tolist() == [0, 1, 0, 0, 1, 0]
    large = np.array([2**64 - 1, 0, 1, 2, 0, 1], dtype=np.uint64)
    assert "label has the value 18446744073709551615" in refused(
        written(tmp_path, arrays(label=large))
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"scores": np.zeros((6, 4))}, r"scores has shape (6, 4); 6 rows of 3 classes need (6, 3)"),
        ({"label": np.zeros((3, 6), int)}, "label has shape (3, 6)"),
        ({"time": np.zeros((6, 1))}, "time has 2 axes; it must have 1"),
        ({"recording": "one"}, "recording has 0 axes; it must have 1"),
        ({"about": ["{}"]}, "about has 1 axes; it must have 0"),
        ({"time": [0, 1, np.inf, 3, 4, 5]}, "time of row 2 is not a time of a recording"),
        ({"about": "[1]"}, "about must be a mapping of settings, not '[1]'"),
        ({"about": "{"}, "about is not JSON"),
        ({"about": "[" * 100_000}, "about is not JSON"),
        ({"about": '{"unreadable": ' + "9" * 6000 + "}"}, "about is not JSON"),
        ({"about": '{"unreadable": "x"}'}, "about: unreadable is 'x', not a count"),
        ({"about": '{"samples": [1]}'}, "about: samples is [1], not a word"),
    ],
)
def test_an_array_that_does_not_fit_is_named(tmp_path: Path, other: dict, message: str) -> None:
    assert message in refused(written(tmp_path, arrays(**other)))


@pytest.mark.parametrize(
    ("shape", "rows", "message"),
    [
        ((6, 2**28), 6, "scores has 20,971,648 bytes, its header says otherwise"),
        ((2**40, 3), 6, "scores has 20,971,648 bytes, its header says otherwise"),
        ((6, 3), 6, "scores has 20,971,648 bytes, its header says otherwise"),
        ((2**19, 600), 2**19, "its arrays have more than 1 GiB"),
    ],
)
def test_sizes_are_known_before_anything_is_read(
    tmp_path: Path, shape: tuple[int, int], rows: int, message: str
) -> None:
    """Headers and directories that promise gigabytes, in an archive of kilobytes."""
    names = np.arange(min(shape[1], 600)).astype("U3")
    path = written(tmp_path, arrays(rows, 2) | {"classes": names})
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "q.npz", "w", 8) as new:
        for name in old.namelist():
            if name != "scores.npy":
                new.writestr(name, old.read(name))
        with new.open("scores.npy", "w") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(bytes(20 * 2**20))
        if rows > 6:
            new.getinfo("scores.npy").file_size = 128 + 4 * shape[0] * shape[1]
    assert (tmp_path / "q.npz").stat().st_size < 2**22
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert message in refused(tmp_path / "q.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_other_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert "is not a regular file" in refused(tmp_path / "pipe.npz")
    path = written(tmp_path, arrays())
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in draw.integers(0, len(whole), 3):
            content[place] = int(draw.integers(256))
        path.write_bytes(content[: draw.integers(1, len(whole) + 1)])
        refused_or_read(path)
    for content in (b"", b"text", whole[:-1]):
        path.write_bytes(content)
        refused(path)


def refused_or_read(path: Path) -> None:
    try:
        load_predictions(path)
    except PredictionsError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "", "$\\frac{$", "x" * 100_000, "\udcff", "é"])
def test_odd_names_are_evaluated_and_drawn(tmp_path: Path, name: str) -> None:
    given = arrays(classes=np.array([name, "b", "c"]), recording=np.array([name[:50]] * 6))
    evaluation = evaluate(load_predictions(written(tmp_path, given)), "p.npz")
    assert all(line.isprintable() and len(line) < 250 for line in evaluation_lines(evaluation, "p"))
    assert len(write_evaluation(evaluation, tmp_path / "out")) == 3


def test_many_classes_are_drawn_without_names(tmp_path: Path) -> None:
    names = tuple(f"a class with a long name, number {i}" for i in range(800))
    draw_confusion(tmp_path / "confusion.png", np.eye(800, dtype=np.int64), names)
    assert 0 < (tmp_path / "confusion.png").stat().st_size < 2**22


def test_any_predictions_are_read_back() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason="pip install -r requirements-dev.txt")
    st = hypothesis.strategies
    # numpy's texts end before a trailing null character
    text = st.text(max_size=20).map(lambda text: text.rstrip("\0"))
    finite = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no other
    plain = st.none() | st.booleans() | st.integers() | finite | st.text()
    about = st.dictionaries(st.text(), plain | st.lists(plain), max_size=3)

    @hypothesis.settings(max_examples=30, deadline=None)
    @hypothesis.given(st.data())
    def round_trip(data: "st.DataObject") -> None:
        classes = tuple(data.draw(st.lists(text, min_size=1, max_size=4, unique=True)))
        rows = data.draw(st.integers(1, 5))

        def drawn(values: "st.SearchStrategy", *shape: int) -> np.ndarray:
            count = int(np.prod(shape))
            return np.array(data.draw(st.lists(values, min_size=count, max_size=count))).reshape(
                shape
            )

        multi_label = data.draw(st.booleans())
        shape = (rows, len(classes)) if multi_label else (rows,)
        metadata = data.draw(about) | {"unreadable": data.draw(st.integers(0, 9))}
        hypothesis.assume(isinstance(metadata.get("samples", ""), str))
        given = Predictions(
            drawn(text, rows),
            drawn(st.floats(0, 1e9) | st.just(float("nan")), rows),
            drawn(
                st.floats(width=32, allow_nan=False, allow_infinity=False), *shape[:1], len(classes)
            ),
            drawn(st.integers(-1, 1 if multi_label else len(classes) - 1), *shape),
            classes,
            metadata,
        )
        with tempfile.TemporaryDirectory() as folder:
            save_predictions(Path(folder) / "p.npz", given)
            read = load_predictions(Path(folder) / "p.npz")
        for field in ("recording", "time", "scores", "label"):
            np.testing.assert_array_equal(getattr(read, field), getattr(given, field))
        assert (read.classes, read.metadata) == (given.classes, given.metadata)

    round_trip()
