import json
from pathlib import Path

import pytest

from launch.errors import ConfigError
from launch.report.reference_runs import (
    REFERENCES,
    ReferenceRun,
    ReferenceTarget,
    nearest_reference,
    read_references,
    write_reference,
)
from tests.launch.report.run_folders import (
    FINETUNE,
    PRETRAIN,
    STEPS,
    lines_of,
    read_run,
    start,
    write_run,
)

RECIPES = Path(__file__).parents[3] / "pretrain" / "recipes"
TARGET, PIXELS = ReferenceTarget("normalised_pixels", 4e-4), ReferenceTarget("pixels", 0.0)


def reference(recipe: str, target: ReferenceTarget, clips: int) -> ReferenceRun:
    return ReferenceRun(recipe, "data", "", {}, clips, target, (1, 2), (1.0, 0.5), (1.0, 1.0))


def test_shipped_references_are_of_recipes_and_learn() -> None:
    warnings: list[str] = []
    shipped = read_references(warnings.append)
    assert warnings == []
    assert "demo" in {each.recipe for each in shipped}
    for each in shipped:
        assert (RECIPES / f"{each.recipe}.yaml").is_file()
        assert each.ratio.values[-1] < 0.98
        assert len(each.steps) <= 200
    for file in REFERENCES.glob("*.json"):
        assert "/tmp" not in file.read_text() and file.stat().st_size < 20_000


def test_a_run_becomes_a_reference_and_is_read_back(tmp_path: Path) -> None:
    lines = lines_of(range(1, 2001))
    run = read_run(write_run(tmp_path / "run", lines=lines, recordings=["a,pyav,25,1,1800,1,1,"]))
    write_reference(run, tmp_path / "demo.json")
    warnings: list[str] = []
    (reference_run,) = read_references(warnings.append, tmp_path)
    assert (reference_run.recipe, reference_run.data) == ("demo", "1 recording, 0.5 h")
    assert (reference_run.target, reference_run.global_batch_size) == (TARGET, 16)
    steps = reference_run.steps
    assert (len(steps), steps[0], steps[-1]) == (200, 1, 2000)
    assert reference_run.ratio.values[-1] == pytest.approx(0.75, rel=1e-3)


def test_only_a_pretraining_with_curves_can_be_a_reference(tmp_path: Path) -> None:
    lines = [{"step": 1, "loss/train": 1.0}]
    no_starts = write_run(tmp_path / "a", lines=lines_of(STEPS), starts=[])
    for folder in (
        write_run(tmp_path / "b", FINETUNE, lines),
        write_run(tmp_path / "c"),
        no_starts,
    ):
        with pytest.raises(ConfigError, match="cannot be a reference; give a pretraining"):
            write_reference(read_run(folder), tmp_path / "x.json")
    config = {**PRETRAIN, "batch": {"global_batch_size": 0}}
    run = read_run(write_run(tmp_path / "d", config, lines_of(STEPS)))
    with pytest.raises(ConfigError, match="global_batch_size: Input should be greater than 0"):
        write_reference(run, tmp_path / "x.json")
    good = read_run(write_run(tmp_path / "e", lines=lines_of(STEPS)))
    with pytest.raises(ConfigError, match="cannot be written"):
        write_reference(good, tmp_path / "nowhere" / "x.json")


def test_a_reference_of_version_7b7086b_is_read(tmp_path: Path) -> None:
    text = (REFERENCES / "demo.json").read_text()
    old = text.replace("global_batch_size", "clips").replace("constant_baseline", "trivial")
    assert old != text
    (tmp_path / "demo.json").write_text(old)
    assert read_references(print, tmp_path) == read_references(print)[:1]


@pytest.mark.parametrize(
    "change",
    [
        {"loss": [1.0]},
        {"steps": [2, 1]},
        {"constant_baseline": [1.0, 0.0]},
        {"steps": []},
        {"more": 1},
        {"loss": [1.0, float("nan")]},
        {"global_batch_size": 0},
    ],
)
def test_a_damaged_reference_is_reported(tmp_path: Path, change: dict[str, object]) -> None:
    values = {
        "recipe": "demo",
        "data": "",
        "command": "",
        "versions": {},
        "global_batch_size": 16,
        "target": {"kind": "pixels", "variance_floor": 0},
        "steps": [1, 2],
        "loss": [1.0, 0.5],
        "constant_baseline": [1.0, 1.0],
    }
    warnings: list[str] = []
    (tmp_path / "x.json").write_text(json.dumps(values))
    assert len(read_references(warnings.append, tmp_path)) == 1 and warnings == []
    (tmp_path / "x.json").write_text(json.dumps(values | change))
    assert read_references(warnings.append, tmp_path) == ()
    assert warnings[0].startswith("x.json is not a reference")


def test_the_nearest_reference_is_by_recipe_then_target_then_batch_size(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", lines=lines_of(STEPS)))
    large, other = reference("base", TARGET, 1024), reference("small", TARGET, 32)
    same, pixels = reference("demo", PIXELS, 1024), reference("huge", PIXELS, 16)
    assert nearest_reference(run, [pixels, large, other, same]) is same
    assert nearest_reference(run, [pixels, large, other]) is other
    assert nearest_reference(run, [pixels, large]) is large
    assert nearest_reference(run, []) is None
    unknown = read_run(write_run(tmp_path / "x", {"decoder": {}}, starts=[start(command=None)]))
    assert nearest_reference(unknown, [pixels, large]) is pixels
