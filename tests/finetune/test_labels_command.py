"""`python -m finetune labels`: a look at a labelled set before anything is trained on it."""

from pathlib import Path

import pytest

from finetune.command import main
from finetune.labels.marks import LabelError
from finetune.splits import SplitError


def test_what_fits_is_told_by_part(operations: Path, tmp_path: Path, capsys) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation01]\ntest: [operation02]\n")
    assert main(["labels", str(operations), str(operations), "--split", str(split)]) == 0
    out = capsys.readouterr().out
    assert out.index("train:") < out.index("operation01.mp4: 6 labelled moments")
    assert out.index("test:") < out.index("operation02.mp4: 6 labelled moments")
    assert "Preparation" in out and "without label" not in out


def test_the_rate_of_moments_and_the_classes_can_be_said(operations: Path, capsys) -> None:
    words = ["labels", str(operations), str(operations), "--rate", "5"]
    assert main(words) == 0
    assert "operation01.mp4: 30 labelled moments" in capsys.readouterr().out
    with pytest.raises(LabelError, match=r"operation01-phase\.txt:\d+: '.*' is none of the 2"):
        main([*words, "--classes", "Preparation, Other"])


def test_a_split_that_names_a_missing_recording(operations: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation01]\ntest: [operation09]\n")
    with pytest.raises(SplitError, match=r"split\.yaml:2: no recording .* operation09"):
        main(["labels", str(operations), str(operations), "--split", str(split)])
