"""Checkpoints and skipped steps of a real DeepSpeed engine at every ZeRO stage."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import complete_checkpoints, open_checkpoint

PROGRAM = str(Path(__file__).parent / "stages_program.py")
STAGES = ("0", "1", "2", "3")
SAVED_AT, BAD = 4, 2


def run(together: Callable, folder: Path, world_size: int, *arguments: str) -> dict:
    outcomes = together([PROGRAM, str(folder), *arguments], world_size)
    assert [outcome.returncode for outcome in outcomes] == [0] * world_size, outcomes[0].stderr
    return json.loads((folder / f"losses-{arguments[0]}-{world_size}.json").read_text())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, together: Callable) -> Path:
    """Runs of two processes at every stage, saved after 4 of their 24 steps."""
    folder = tmp_path_factory.mktemp("stages")
    run(together, folder, 2, "save")
    return folder


def uninterrupted(saved: Path) -> dict[str, list[float]]:
    return json.loads((saved / "losses-save-2.json").read_text())


def test_stages_train_alike_and_resume_exactly(saved: Path, together: Callable) -> None:
    whole = uninterrupted(saved)
    resumed = run(together, saved, 2, "resume")
    for stage in STAGES:
        assert whole[stage] == pytest.approx(whole["0"], abs=1e-5)
        assert resumed[stage] == whole[stage][SAVED_AT:]  # to the last bit
    assert whole["0"][-1] < 0.9 * whole["0"][0]


@pytest.mark.parametrize(
    ("before", "after"),
    [(2, 1), *(pytest.param(*worlds, marks=pytest.mark.soak) for worlds in ((1, 2), (2, 4)))],
)
def test_another_number_of_processes_goes_on_alike(
    saved: Path, tmp_path: Path, together: Callable, before: int, after: int
) -> None:
    folder = saved if before == 2 else tmp_path
    if before == 1:
        run(together, folder, 1, "save")
    uninterrupted = json.loads((folder / f"losses-save-{before}.json").read_text())
    resumed = run(together, folder, after, "resume")
    for stage in STAGES:
        assert len(resumed[stage]) == 20
        assert resumed[stage] == pytest.approx(uninterrupted[stage][SAVED_AT:], abs=1e-5)


def test_another_stage_goes_on_alike(saved: Path, together: Callable) -> None:
    before = uninterrupted(saved)
    for stage, losses in run(together, saved, 1, "resume", "3").items():
        assert losses == pytest.approx(before[stage][SAVED_AT:], abs=1e-5)


def test_weights_are_read_whole_without_an_engine(saved: Path) -> None:
    by_stage = [
        read_weights(open_checkpoint(complete_checkpoints(saved / f"stage{stage}")[0]))
        for stage in STAGES
    ]
    assert {name: tuple(tensor.shape) for name, tensor in by_stage[0].items()} == {
        "0.weight": (70, 30),
        "0.bias": (70,),
        "2.bias": (70,),
        "3.weight": (30, 70),
        "3.bias": (30,),
    }
    for weights in by_stage[1:]:
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, by_stage[0][name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("world_size", [pytest.param(1, marks=pytest.mark.soak), 2])
def test_a_loss_that_is_not_finite_updates_nothing_on_any_process(
    tmp_path: Path, together: Callable, world_size: int
) -> None:
    met = run(together, tmp_path, world_size, "skip")
    without = run(together, tmp_path, world_size, "skipped")
    for stage in STAGES:
        assert not math.isfinite(met[stage].pop(BAD))
        assert met[stage] == without[stage]  # to the last bit


def test_overflows_of_fp16_are_skipped_and_its_scaler_is_restored(
    tmp_path: Path, together: Callable
) -> None:
    first, second = together([PROGRAM.replace("stages", "fp16"), str(tmp_path)], 2)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    for outcome in json.loads(first.stdout.splitlines()[-1]).values():
        losses, skipped, scales = zip(*outcome["whole"], strict=True)
        assert skipped == (False, False, True, True, False, False, False, False)
        assert scales[3:] == (2.0**15,) * 5 and scales[0] == 2.0**16
        assert outcome["resumed"] == outcome["whole"][SAVED_AT:]
        assert outcome["scalars"] == {
            "optimizer_steps": 2,
            "cur_scale": 2**15,
            "cur_iter": 4,
            "last_overflow_iter": 3,
            "cur_hysteresis": 1,
        }
        assert losses[-1] < losses[0]
