import json
from pathlib import Path

import pytest

from launch.errors import ConfigError
from launch.report.reference_runs import (
    REFERENCES,
    Reference,
    ReferenceTarget,
    nearest,
    read_references,
    write_reference,
)
from tests.launch.report.run_folders import (
    FINETUNE,
    PRETRAIN,
    STEPS,
    facts_of,
    lines_of,
    start,
    write_run,
)

RECIPES = Path(__file__).parents[3] / "pretrain" / "recipes"
TARGET, PIXELS = ReferenceTarget("normalised_pixels", 4e-4), ReferenceTarget("pixels", 0.0)


def reference(recipe: str, target: ReferenceTarget, clips: int) -> Reference:
    return Reference(recipe, "data", "", {}, clips, target, (1, 2), (1.0, 0.5), (1.0, 1.0))


def test_those_that_are_shipped_are_of_recipes_and_learn() -> None:
    told: list[str] = []
    shipped = read_references(told.append)
    assert told == []
    assert "demo" in {each.recipe for each in shipped}
    for each in shipped:
        assert (RECIPES / f"{each.recipe}.yaml").is_file()
        assert each.ratio.values[-1] < 0.98
        assert len(each.steps) <= 200
    for file in REFERENCES.glob("*.json"):
        assert "/tmp" not in file.read_text() and file.stat().st_size < 20_000


def test_a_run_becomes_a_reference_and_is_read_back(tmp_path: Path) -> None:
    lines = lines_of(range(1, 2001))
    run = facts_of(write_run(tmp_path / "run", lines=lines, recordings=["a,pyav,25,1,1800,1,1,"]))
    write_reference(run, tmp_path / "demo.json")
    told: list[str] = []
    (held,) = read_references(told.append, tmp_path)
    assert (held.recipe, held.data, held.clips) == ("demo", "1 recording, 0.5 h", 16)
    assert held.target == TARGET
    assert (len(held.steps), held.steps[0], held.steps[-1]) == (200, 1, 2000)
    assert held.ratio.values[-1] == pytest.approx(0.75, rel=1e-3)


def test_what_is_no_pretraining_with_curves_is_no_reference(tmp_path: Path) -> None:
    lines = [{"step": 1, "loss/train": 1.0}]
    no_starts = write_run(tmp_path / "a", lines=lines_of(STEPS), starts=[])
    for folder in (
        write_run(tmp_path / "b", FINETUNE, lines),
        write_run(tmp_path / "c"),
        no_starts,
    ):
        with pytest.raises(ConfigError, match="cannot be a reference; it must be a pretraining"):
            write_reference(facts_of(folder), tmp_path / "x.json")
    config = {**PRETRAIN, "batch": {"clips": 0}}
    run = facts_of(write_run(tmp_path / "d", config, lines_of(STEPS)))
    with pytest.raises(ConfigError, match="no reference, clips: Input should be greater than 0"):
        write_reference(run, tmp_path / "x.json")
    good = facts_of(write_run(tmp_path / "e", lines=lines_of(STEPS)))
    with pytest.raises(ConfigError, match="cannot be written"):
        write_reference(good, tmp_path / "nowhere" / "x.json")


@pytest.mark.parametrize(
    "change",
    [
        {"loss": [1.0]},
        {"steps": [2, 1]},
        {"trivial": [1.0, 0.0]},
        {"steps": []},
        {"more": 1},
        {"loss": [1.0, float("nan")]},
        {"clips": 0},
    ],
)
def test_a_damaged_reference_is_told(tmp_path: Path, change: dict[str, object]) -> None:
    held = {
        "recipe": "demo",
        "data": "",
        "command": "",
        "versions": {},
        "clips": 16,
        "target": {"kind": "pixels", "variance_floor": 0},
        "steps": [1, 2],
        "loss": [1.0, 0.5],
        "trivial": [1.0, 1.0],
    }
    told: list[str] = []
    (tmp_path / "x.json").write_text(json.dumps(held))
    assert len(read_references(told.append, tmp_path)) == 1 and told == []
    (tmp_path / "x.json").write_text(json.dumps(held | change))
    assert read_references(told.append, tmp_path) == ()
    assert told[0].startswith("x.json is no reference")


def test_the_nearest_is_of_the_recipe_then_of_the_target_then_of_the_batch(tmp_path: Path) -> None:
    run = facts_of(write_run(tmp_path / "run", lines=lines_of(STEPS)))
    large, other = reference("base", TARGET, 1024), reference("small", TARGET, 32)
    same, pixels = reference("demo", PIXELS, 1024), reference("huge", PIXELS, 16)
    assert nearest(run, [pixels, large, other, same]) is same
    assert nearest(run, [pixels, large, other]) is other
    assert nearest(run, [pixels, large]) is large
    assert nearest(run, []) is None
    unknown = facts_of(write_run(tmp_path / "x", {"decoder": {}}, starts=[start(command=None)]))
    assert nearest(unknown, [pixels, large]) is pixels
