"""Checkpoints and skipped steps of a real DeepSpeed engine at every ZeRO stage."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from launch.checkpoint.loader import read_weights
from launch.checkpoint.store import complete_checkpoints, open_checkpoint
from launch.training.optimizer import OPTIMIZERS
from tests.launch.training.optimizers import RUNS

PROGRAM = str(Path(__file__).parent / "stages_program.py")
NAMES = [f"{kind}-{stage}" for kind, stage in RUNS]
SAVED_AT, BAD = 4, 2


def run(together: Callable, folder: Path, world_size: int, *arguments: str) -> dict:
    outcomes = together([PROGRAM, str(folder), *arguments], world_size)
    assert [outcome.returncode for outcome in outcomes] == [0] * world_size, outcomes[0].stderr
    return json.loads((folder / f"losses-{arguments[0]}-{world_size}.json").read_text())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, together: Callable) -> Path:
    """Runs of two processes with every optimizer and stage, saved after 4 of their 24 steps."""
    folder = tmp_path_factory.mktemp("stages")
    run(together, folder, 2, "save")
    return folder


def uninterrupted(saved: Path) -> dict[str, list[float]]:
    return json.loads((saved / "losses-save-2.json").read_text())


def test_stages_train_alike_and_resume_exactly(saved: Path, together: Callable) -> None:
    whole = uninterrupted(saved)
    resumed = run(together, saved, 2, "resume")
    for name in NAMES:
        unsharded = whole[f"{name.partition('-')[0]}-0"]
        assert whole[name] == pytest.approx(unsharded, abs=1e-5), name
        assert resumed[name] == whole[name][SAVED_AT:], name  # to the last bit
        assert unsharded[-1] < 0.9 * unsharded[0], name


@pytest.mark.soak
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 4)])
def test_another_number_of_processes_goes_on_alike(
    saved: Path, tmp_path: Path, together: Callable, before: int, after: int
) -> None:
    folder = saved if before == 2 else tmp_path
    if before == 1:
        run(together, folder, 1, "save")
    uninterrupted = json.loads((folder / f"losses-save-{before}.json").read_text())
    resumed = run(together, folder, after, "resume")
    for name in NAMES:
        assert len(resumed[name]) == 20
        assert resumed[name] == pytest.approx(uninterrupted[name][SAVED_AT:], abs=1e-5), name


def test_another_stage_goes_on_alike(saved: Path, together: Callable) -> None:
    before = uninterrupted(saved)
    for name, losses in run(together, saved, 1, "resume", "3").items():
        assert losses == pytest.approx(before[name][SAVED_AT:], abs=1e-5), name


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_weights_are_read_whole_without_an_engine(saved: Path, kind: str) -> None:
    by_stage = [
        read_weights(open_checkpoint(complete_checkpoints(saved / f"{kind}-{stage}")[0]))
        for stage in range(4)
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
    for name in NAMES:
        assert not math.isfinite(met[name].pop(BAD))
        assert met[name] == without[name], name  # to the last bit


@pytest.mark.parametrize("kind", ["adamw", pytest.param("lion", marks=pytest.mark.soak)])
def test_overflows_of_fp16_are_skipped_and_its_scaler_is_restored(
    tmp_path: Path, together: Callable, kind: str
) -> None:
    first, second = together([PROGRAM.replace("stages", "fp16"), str(tmp_path), kind], 2)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    for outcome in json.loads(first.stdout.splitlines()[-1]).values():
        losses, skipped, scales = zip(*outcome["whole"], strict=True)
        assert skipped == (False, False, True, True, False, False, False, False)
        assert scales[3:] == (2.0**15,) * 5 and scales[0] == 2.0**16
        assert outcome["resumed"] == outcome["whole"][SAVED_AT:]
        assert outcome["scalars"] == {
            **({"optimizer_steps": 2} if kind == "adamw" else {}),
            "cur_scale": 2**15,
            "cur_iter": 4,
            "last_overflow_iter": 3,
            "cur_hysteresis": 1,
        }
        assert losses[-1] < losses[0]
