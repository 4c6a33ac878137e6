"""Few-shot sets: spread over recordings, and the same when a run resumes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from finetune.data.few_shot import choose_few_shot, load_few_shot, save_few_shot
from finetune.data.labelled_set import LabelledSet
from video.labels.align import LabelTrack
from video.labels.segments import LabelError
from video.recording import Recording

CLASSES = ("x", "y, or z")


def track(name: str, labels: list[int], intervals: bool = False) -> LabelTrack:
    recording = Recording(f"/videos/{name}.mp4", "pyav", 25.0, 250, 10.0, 64, 64, 0.0)
    times = np.arange(len(labels)) / 3  # no such time can be written in few digits
    return LabelTrack(
        recording, times, np.array(labels), 0, 0, times + 1 / 3 if intervals else None
    )


def a_set(intervals: bool = False) -> LabelledSet:
    """Class 0 is in three recordings, class 1 in two, one of which has it only once."""
    train = [
        track("a", [0] * 20 + [1] * 9, intervals),
        track("b", [0, -1, 0, 1], intervals),
        track("c", [0, 0], intervals),
    ]
    return LabelledSet(CLASSES, {"train": train, "test": [track("d", [0, 1, 1])]})


def chosen(given: LabelledSet, label: int) -> Counter[str]:
    return Counter(
        {
            each.recording.path[-5]: int((each.labels == label).sum())
            for each in given.tracks["train"]
        }
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("per_class", [1, 2, 3, 5, 10])
def test_each_class_has_its_shots_from_as_many_recordings_as_possible(
    seed: int, per_class: int
) -> None:
    few = choose_few_shot(a_set(), per_class, np.random.default_rng(seed))
    for label in (0, 1):
        counts = chosen(few, label)
        assert counts.total() == per_class
        assert len(+counts) == min(per_class, 3 - label)
    if per_class == 5:  # b and c have two of the first class, a has more
        assert sorted(chosen(few, 0).values()) in ([1, 2, 2],)
    for before, after in zip(a_set().tracks["train"], few.tracks["train"], strict=True):
        assert ((after.labels == before.labels) | (after.labels == -1)).all()
    assert few.tracks["test"][0].labels.tolist() == [0, 1, 1]


def test_a_choice_is_a_function_of_its_seed() -> None:
    def choice(seed: int) -> list[list[int]]:
        few = choose_few_shot(a_set(), 3, np.random.default_rng(seed))
        return [each.labels.tolist() for each in few.tracks["train"]]

    assert choice(0) == choice(0) and len({str(choice(seed)) for seed in range(8)}) > 4


def test_impossible_choices_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(LabelError, match="shots_per_class: 'y, or z' has only 10 labelled"):
        choose_few_shot(a_set(), 11, rng)
    with pytest.raises(LabelError, match="shots_per_class: is 0; give 1 or more"):
        choose_few_shot(a_set(), 0, rng)
    with pytest.raises(LabelError, match="has no train part"):
        choose_few_shot(LabelledSet(CLASSES, {"test": [track("d", [0, 1])]}), 1, rng)
    several = track("a", [0])._replace(labels=np.array([[1, 0]]))
    with pytest.raises(LabelError, match="requires one label per sample"):
        choose_few_shot(LabelledSet(CLASSES, {"train": [several]}), 1, rng)


@pytest.mark.parametrize("intervals", [False, True])
def test_a_list_is_read_back_exactly(tmp_path: Path, intervals: bool) -> None:
    few = choose_few_shot(a_set(intervals), 4, np.random.default_rng(0))
    save_few_shot(tmp_path / "few.csv", few)
    read = load_few_shot(tmp_path / "few.csv", a_set(intervals))
    for one, two in zip(few.tracks["train"], read.tracks["train"], strict=True):
        assert one.labels.tolist() == two.labels.tolist()
    assert list(tmp_path.iterdir()) == [tmp_path / "few.csv"]
    with pytest.raises(LabelError, match=r"few\.csv: exists; load it"):
        save_few_shot(tmp_path / "few.csv", few)
    with pytest.raises(LabelError, match=r"few\.csv:2: .*, but the labels have no label"):
        load_few_shot(tmp_path / "few.csv", a_set(not intervals))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], r"few\.csv: has 1 samples of 'y, or z' and 2 of 'x'"),
        (lambda lines: lines[:1], r"few\.csv: has no samples"),
        (lambda lines: [*lines, lines[1]], r"few\.csv:6: lists a sample for the second time"),
        (lambda lines: [lines[0], lines[1].replace("/videos/", "/other/")], r"few\.csv:2: 'x' for"),
        (lambda lines: [lines[0], lines[3].replace('"y, or z"', "x")], "labels have 'y, or z'"),
        (lambda lines: [lines[0], lines[1][:-1] + "q"], r"few\.csv:2: 'q' for /videos"),
        (lambda lines: [lines[0], lines[1][:20]], r"few\.csv:2: has \d cells, the header has 4"),
        (
            lambda lines: ["a,b", *lines[1:]],
            r"few\.csv:1: is not a list of samples, with the columns",
        ),
        (lambda lines: [], r"few\.csv:1: is not a list of samples"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "few.csv"
    save_few_shot(path, choose_few_shot(a_set(), 2, np.random.default_rng(0)))
    header, *rows = path.read_text().splitlines()
    lines = [header, *sorted(rows, key=lambda row: not row.endswith(",x"))]
    path.write_text("\n".join(change(lines)))
    with pytest.raises(LabelError, match=message) as caught:
        load_few_shot(path, a_set())
    assert "\n" not in str(caught.value)


def test_labels_that_changed_since_the_list_was_saved_are_refused(tmp_path: Path) -> None:
    save_few_shot(tmp_path / "few.csv", choose_few_shot(a_set(), 9, np.random.default_rng(0)))
    other = a_set()
    other.tracks["train"][0].labels[:] = 1
    with pytest.raises(LabelError, match=r"few\.csv:\d+: 'x' for .*labels have 'y, or z'; remove"):
        load_few_shot(tmp_path / "few.csv", other)
