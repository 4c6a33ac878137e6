from pathlib import Path
from typing import Any

import pytest

from launch.report.diagnosis import Diagnosis, diagnose
from launch.report.reference_runs import Reference, ReferenceTarget
from tests.launch.report.run_folders import PRETRAIN, STEPS, facts_of, lines_of, start, write_run

TARGET = ReferenceTarget("normalised_pixels", 4e-4)


def reference(learned: float, recipe: str = "demo", target: ReferenceTarget = TARGET) -> Reference:
    steps = tuple(range(0, 601, 20))
    loss = tuple(1 - learned * step / 600 for step in steps)
    return Reference(
        recipe, "some recordings", "", {}, 16, target, steps, loss, (1.0,) * len(steps)
    )


def judged(
    tmp_path: Path, lines: list[dict[str, Any]], *references: Reference, **config: Any
) -> Diagnosis:
    return diagnose(
        facts_of(write_run(tmp_path / "run", {**PRETRAIN, **config}, lines)), references
    )


def test_a_loss_that_falls_as_the_reference_does_is_normal(tmp_path: Path) -> None:
    verdict = judged(tmp_path, lines_of(STEPS), reference(0.25))
    assert verdict.level == "good"
    assert "the loss is 0.675, 25 % below the 0.9 of the trivial predictor" in verdict.sentences[0]
    assert (
        "Recipe demo on some recordings was 24 % below it in the same steps"
        in (verdict.sentences[1])
    )
    assert "this run is as good" in verdict.sentences[1]
    assert "normalised pixels, variance floor 0.0004" in verdict.sentences[2]


def test_the_reference_is_looked_at_in_the_same_steps(tmp_path: Path) -> None:
    lines = lines_of(range(20, 301, 20))
    sentence = judged(tmp_path, lines, reference(0.6)).sentences[1]
    assert "was 28 % below it in the same steps" in sentence
    beyond = judged(tmp_path, lines_of(range(20, 2001, 20)), reference(0.25)).sentences[1]
    assert "at its end, step 600" in beyond


def test_a_run_behind_the_reference_of_its_recipe_is_worth_a_look(tmp_path: Path) -> None:
    lines = lines_of(STEPS)
    verdict = judged(tmp_path, lines, reference(0.4))
    assert (verdict.level, "behind it" in verdict.sentences[1]) == ("look", True)
    other = judged(tmp_path, lines, reference(0.4, recipe="base"))
    assert (other.level, "behind it" in other.sentences[1]) == ("good", True)
    pixels = judged(tmp_path, lines, reference(0.4, target=ReferenceTarget("pixels", 0)))
    assert pixels.level == "good"
    assert "another one (pixels), so this is a rough comparison" in pixels.sentences[1]


def test_a_loss_at_the_trivial_predictors_is_not_normal(tmp_path: Path) -> None:
    verdict = judged(tmp_path, lines_of(STEPS, loss__train=0.9), reference(0.25))
    assert verdict.level == "bad"
    assert "equal to the 0.9 of the trivial predictor" in verdict.sentences[0]
    assert "a model that has learned nothing has that, too" in verdict.sentences[0]


def test_in_the_warm_up_it_is_too_early(tmp_path: Path) -> None:
    lines = lines_of(range(5, 56, 5), loss__train=1.1)
    verdict = judged(tmp_path, lines)
    assert verdict.level == "early"
    assert any("still warming up (step 55)" in sentence for sentence in verdict.sentences)
    epochs = judged(tmp_path, lines, schedule={"steps": None, "epochs": 3.0, "warmup": 0.1})
    assert epochs.level == "early"  # the learning rate tells it
    assert judged(tmp_path, lines_of([200, 210])).level == "early"


def test_without_a_log_nothing_can_be_said(tmp_path: Path) -> None:
    assert judged(tmp_path, []).level == "unknown"
    assert judged(tmp_path, [{"step": 1, "loss/train": 1.0}], reference(0.2)).level == "unknown"
    assert judged(tmp_path, lines_of(STEPS, loss__trivial=0.0)).level == "unknown"


@pytest.mark.parametrize(
    ("more", "level", "remark"),
    [
        ({"optimizer__skipped": 2.0}, "good", "In 2 steps loss or gradient was not finite"),
        ({"optimizer__skipped": 20.0}, "look", "In 20 steps"),
        ({"speed__data_wait": 0.4}, "good", "40 % of the time goes into waiting for data"),
        ({"features__rankme": 1.0, "features__std": 0.004}, "look", "which is a collapse"),
        ({"features__rankme": 1.5, "features__std": 0.04}, "good", "one direction in common"),
        ({"features__rankme": 60.0, "features__std": 0.5}, "good", "their effective rank 60."),
        ({"loss__inside_view": 0.8, "loss__outside_view": 0.1}, "good", "the dark border is"),
        ({"probe__knn": 0.5, "probe__chance": 0.1}, "good", "the features carry some"),
        ({"probe__knn": 0.2, "probe__commonest": 0.3}, "good", "no more than is had"),
    ],
)
def test_what_else_bears_upon_it(
    tmp_path: Path, more: dict[str, float], level: str, remark: str
) -> None:
    verdict = judged(tmp_path, lines_of(STEPS, **more))
    assert verdict.level == level
    assert any(remark in each for each in verdict.remarks)


def test_the_probe_is_held_against_the_untrained_encoder(tmp_path: Path) -> None:
    lines = [line | {"probe/knn": 0.2 + line["step"] / 10_000} for line in lines_of([1, *STEPS])]
    verdict = judged(tmp_path, lines)
    assert any("before training 0.200): the features carry some." in r for r in verdict.remarks)
    for line in lines:
        line["probe/knn"] = 0.2
    remarks = judged(tmp_path, lines).remarks
    assert any("no more than those of the untrained encoder" in each for each in remarks)


def test_a_loss_that_rises_again_is_worth_a_look(tmp_path: Path) -> None:
    lines = lines_of(range(5, 601, 5))
    for line in lines[-20:]:
        line["loss/train"] *= 1.2
    verdict = judged(tmp_path, lines)
    assert verdict.level == "look"
    assert any("has risen by" in each for each in verdict.remarks)


def test_a_run_whose_recipe_is_unknown_is_judged_too(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS), starts=[start(command=[])])
    assert diagnose(facts_of(folder), [reference(0.25)]).level == "good"
