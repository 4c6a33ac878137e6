from pathlib import Path
from typing import Any

import pytest

from launch.report.diagnosis import Diagnosis, diagnose
from launch.report.reference_runs import ReferenceRun, ReferenceTarget
from tests.launch.report.run_folders import PRETRAIN, STEPS, lines_of, read_run, start, write_run

TARGET = ReferenceTarget("normalised_pixels", 4e-4)


def reference(
    learned: float, recipe: str = "demo", target: ReferenceTarget = TARGET
) -> ReferenceRun:
    steps = tuple(range(0, 601, 20))
    loss = tuple(1 - learned * step / 600 for step in steps)
    return ReferenceRun(
        recipe, "some recordings", "", {}, 16, target, steps, loss, (1.0,) * len(steps)
    )


def diagnosis_of(
    tmp_path: Path, lines: list[dict[str, Any]], *references: ReferenceRun, **config: Any
) -> Diagnosis:
    return diagnose(
        read_run(write_run(tmp_path / "run", {**PRETRAIN, **config}, lines)), references
    )


def test_a_loss_that_falls_as_the_reference_does_is_normal(tmp_path: Path) -> None:
    diagnosis = diagnosis_of(tmp_path, lines_of(STEPS), reference(0.25))
    assert diagnosis.level == "good"
    loss, comparison, target = diagnosis.sentences
    assert "is 0.675, 25 % below the constant baseline of 0.9: the loss of predicting" in loss
    assert "recipe demo on some recordings was 24 % below its baseline" in comparison
    assert "in the same steps; this run is on a par" in comparison
    assert "normalised pixels, variance floor 0.0004" in target


def test_a_reference_is_compared_in_the_same_steps(tmp_path: Path) -> None:
    lines = lines_of(range(20, 301, 20))
    sentence = diagnosis_of(tmp_path, lines, reference(0.6)).sentences[1]
    assert "was 28 % below its baseline in the same steps" in sentence
    beyond = diagnosis_of(tmp_path, lines_of(range(20, 2001, 20)), reference(0.25)).sentences[1]
    assert "at its last step, 600" in beyond


def test_a_run_behind_the_reference_of_its_recipe_is_suspect(tmp_path: Path) -> None:
    lines = lines_of(STEPS)
    diagnosis = diagnosis_of(tmp_path, lines, reference(0.4))
    assert (diagnosis.level, "this run is behind" in diagnosis.sentences[1]) == ("suspect", True)
    other = diagnosis_of(tmp_path, lines, reference(0.4, recipe="base"))
    assert (other.level, "this run is behind" in other.sentences[1]) == ("good", True)
    pixels = diagnosis_of(tmp_path, lines, reference(0.4, target=ReferenceTarget("pixels", 0)))
    assert pixels.level == "good"
    assert "another target (pixels): compare with caution" in pixels.sentences[1]


def test_a_loss_at_the_constant_baseline_is_not_normal(tmp_path: Path) -> None:
    diagnosis = diagnosis_of(tmp_path, lines_of(STEPS, loss__train=0.9), reference(0.25))
    assert diagnosis.level == "bad"
    assert "equal to the constant baseline of 0.9" in diagnosis.sentences[0]
    assert "A model that has learned nothing reaches this loss too." in diagnosis.sentences[0]


def test_during_warmup_it_is_too_early(tmp_path: Path) -> None:
    lines = lines_of(range(5, 56, 5), loss__train=1.1)
    diagnosis = diagnosis_of(tmp_path, lines)
    assert diagnosis.level == "early"
    assert any("still warming up (step 55)" in sentence for sentence in diagnosis.sentences)
    epochs = diagnosis_of(tmp_path, lines, schedule={"steps": None, "epochs": 3.0, "warmup": 0.1})
    assert epochs.level == "early"  # by its learning rate
    assert diagnosis_of(tmp_path, lines_of([200, 210])).level == "early"


def test_without_a_log_the_answer_is_unknown(tmp_path: Path) -> None:
    assert diagnosis_of(tmp_path, []).level == "unknown"
    no_baseline = [{"step": 1, "loss/train": 1.0}]
    assert diagnosis_of(tmp_path, no_baseline, reference(0.2)).level == "unknown"


def test_clips_of_one_colour_teach_nothing(tmp_path: Path) -> None:
    diagnosis = diagnosis_of(tmp_path, lines_of(STEPS, loss__constant_baseline=0.0))
    assert diagnosis.level == "bad" and "of one colour" in diagnosis.sentences[0]


@pytest.mark.parametrize(
    ("more", "level", "remark"),
    [
        ({"optimizer__skipped": 2.0}, "good", "2 steps updated nothing: loss or gradient"),
        ({"optimizer__skipped": 20.0}, "suspect", "20 steps updated nothing"),
        ({"speed__data_wait": 0.4}, "good", "The run waits for data 40 % of the time"),
        ({"features__rankme": 1.0, "features__std": 0.004}, "suspect", "a collapse"),
        ({"features__rankme": 1.5, "features__std": 0.04}, "good", "share one main direction"),
        ({"features__rankme": 60.0, "features__std": 0.5}, "good", "have effective rank 60 "),
        ({"loss__inside_fov": 0.8, "loss__outside_fov": 0.1}, "good", "the dark border is easier"),
        ({"probe__knn": 0.5, "probe__chance": 0.1}, "good", "the features are useful"),
        ({"probe__knn": 0.2, "probe__majority": 0.3}, "good", "the features are not useful"),
    ],
)
def test_other_observations_are_remarks(
    tmp_path: Path, more: dict[str, float], level: str, remark: str
) -> None:
    diagnosis = diagnosis_of(tmp_path, lines_of(STEPS, **more))
    assert diagnosis.level == level
    assert any(remark in each for each in diagnosis.remarks)


def test_the_probe_is_compared_with_the_untrained_encoder(tmp_path: Path) -> None:
    lines = [line | {"probe/knn": 0.2 + line["step"] / 10_000} for line in lines_of([1, *STEPS])]
    diagnosis = diagnosis_of(tmp_path, lines)
    assert any("before training 0.200): the features are useful." in r for r in diagnosis.remarks)
    for line in lines:
        line["probe/knn"] = 0.2
    remarks = diagnosis_of(tmp_path, lines).remarks
    assert any("not more than those of the untrained encoder" in each for each in remarks)


def test_a_loss_that_rises_again_is_suspect(tmp_path: Path) -> None:
    lines = lines_of(range(5, 601, 5))
    for line in lines[-20:]:
        line["loss/train"] *= 1.2
    diagnosis = diagnosis_of(tmp_path, lines)
    assert diagnosis.level == "suspect"
    assert any("has risen by" in each for each in diagnosis.remarks)


def test_a_run_whose_recipe_is_unknown_has_a_diagnosis(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS), starts=[start(command=[])])
    assert diagnose(read_run(folder), [reference(0.25)]).level == "good"
