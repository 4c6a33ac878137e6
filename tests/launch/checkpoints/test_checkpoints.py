"""Checkpoints of a real DeepSpeed engine: exact, independent of stage and processes, verified."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from launch.checkpoints.folder import (
    DamagedCheckpoint,
    complete_checkpoints,
    find_checkpoint,
    open_checkpoint,
)
from launch.checkpoints.fragments import MOMENTS, WEIGHT, Fragment
from launch.checkpoints.restoring import load_checkpoint, read_weights
from launch.checkpoints.saving import save_checkpoint
from launch.processes import Processes

PROGRAM = str(Path(__file__).parent / "stages_program.py")
STAGES = ("0", "1", "2", "3")
SAVED_AT = 4


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


@pytest.mark.parametrize("world_size", [1, 4])
def test_another_number_of_processes_goes_on_alike(
    saved: Path, together: Callable, world_size: int
) -> None:
    before = uninterrupted(saved)
    resumed = run(together, saved, world_size, "resume")
    for stage in STAGES:
        assert len(resumed[stage]) == 20
        assert resumed[stage] == pytest.approx(before[stage][SAVED_AT:], abs=1e-5)


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
        "0.weight": (70, 30), "0.bias": (70,), "2.weight": (70,), "2.bias": (70,),
        "3.weight": (30, 70), "3.bias": (30,),
    }  # fmt: skip
    for weights in by_stage[1:]:
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, by_stage[0][name], atol=1e-6, rtol=1e-5)


ALONE = Processes()


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Checkpoints of one process without a process group, and without DeepSpeed."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    yield tmp_path
    torch.distributed.destroy_process_group()


def engine_with(value: float) -> SimpleNamespace:
    """What save_checkpoint asks of an engine: fragments and a count."""
    tensors = {key: torch.full((6,), value) for key in (WEIGHT, *MOMENTS)}
    fragment = Fragment("layer.weight", (2, 3), 0, tensors)
    return SimpleNamespace(
        fragments=lambda: [fragment],
        owns_copies=False,
        optimizer_steps=int(value),
        publish=lambda optimizer_steps: None,
    )


def save(root: Path, step: int, keep_last: int = 2) -> Path:
    return save_checkpoint(root, step, engine_with(step), ALONE, keep_last, {"tries": step})


def test_the_newest_is_found_and_the_oldest_are_removed(single: Path) -> None:
    for step in (1, 2, 10):
        save(single, step)
    assert [folder.name for folder in complete_checkpoints(single)] == [
        "step-0000002",
        "step-0000010",
    ]
    assert (single / "latest").read_text() == "step-0000010"
    found = find_checkpoint(single, ALONE, print)
    assert (found.step, found.optimizer_steps, found.counters) == (10, 10, {"tries": 10})
    assert torch.equal(read_weights(found)["layer.weight"], torch.full((2, 3), 10.0))


def test_an_unfinished_one_is_never_taken_and_is_written_over(single: Path) -> None:
    save(single, 1)
    unfinished = single / "step-0000002.tmp"
    unfinished.mkdir()
    (unfinished / "state-00000-of-00001.safetensors").write_bytes(b"half")
    assert find_checkpoint(single, ALONE, print).step == 1
    save(single, 2)
    assert find_checkpoint(single, ALONE, print).step == 2
    assert not unfinished.exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_a_damaged_one_is_named_and_the_one_before_is_used(single: Path, damage: str) -> None:
    save(single, 1)
    folder = save(single, 2)
    file = next(folder.glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "remove":
        file.unlink()
    else:
        (folder / "manifest.json").write_text("{")
    said: list[str] = []
    assert find_checkpoint(single, ALONE, said.append).step == 1
    assert len(said) == 1 and "step-0000002" in said[0] and "\n" not in said[0]


def test_only_damaged_ones_are_an_error_and_none_are_not(single: Path) -> None:
    assert find_checkpoint(single, ALONE, print) is None
    shutil.rmtree(single)
    assert find_checkpoint(single, ALONE, print) is None
    folder = save(single, 1)
    (folder / "manifest.json").unlink()
    with pytest.raises(DamagedCheckpoint, match="none of its 1 checkpoints is whole"):
        find_checkpoint(single, ALONE, lambda line: None)


def test_a_checkpoint_of_another_model_is_refused(single: Path) -> None:
    save(single, 1)
    engine = engine_with(0)
    other = Fragment("head.weight", (2, 3), 0, engine.fragments()[0].tensors)
    engine.fragments = lambda: [other]
    with pytest.raises(DamagedCheckpoint, match=r"0 of 6 values of head\.weight"):
        load_checkpoint(find_checkpoint(single, ALONE, print), engine)
