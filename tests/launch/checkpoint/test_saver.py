"""Checkpoints on disk: whole or absent, verified, kept and removed."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from launch.checkpoint.loader import load_checkpoint, read_weights
from launch.checkpoint.saver import CheckpointNotWritten, Saver
from launch.checkpoint.store import (
    DamagedCheckpoint,
    complete_checkpoints,
    find_checkpoint,
    newest_valid_checkpoint,
    open_checkpoint,
)
from launch.config import CheckpointConfig
from launch.distributed.process_group import Processes
from launch.training.optimizer import AdamWConfig
from launch.training.zero_shards import WEIGHT, Fragment
from tests.conftest import fill

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
    """What a Saver asks of an engine: fragments and a few numbers."""
    tensors = {key: torch.full((6,), value) for key in (WEIGHT, *AdamWConfig.states)}
    fragment = Fragment("layer.weight", (2, 3), 0, tensors)
    return SimpleNamespace(
        fragments=lambda: [fragment],
        is_replicated=False,
        scalars=lambda: {"optimizer_steps": int(value)},
        load_scalars=lambda scalars: None,
    )


def save(root: Path, *steps: int, **config: object) -> list[str]:
    """Saves these steps, one after the other; returns what was said."""
    said: list[str] = []
    saver = Saver(root, ALONE, CheckpointConfig(**config), said.append)
    for step in steps:
        saver.save(step, engine_with(step), {"tries": step})
    saver.close()
    return said


def names(root: Path) -> list[str]:
    return [folder.name for folder in complete_checkpoints(root)]


def test_the_newest_is_found_and_the_oldest_are_removed(single: Path) -> None:
    save(single, 1, 2, 10)
    assert names(single) == ["step-0000002", "step-0000010"]
    assert (single / "latest").read_text() == "step-0000010"
    found = find_checkpoint(single, ALONE, print)
    assert (found.step, found.counters) == (10, {"tries": 10})
    assert found.scalars == {"optimizer_steps": 10}
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


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest", "number"])
def test_a_damaged_one_is_named_and_the_one_before_is_used(single: Path, damage: str) -> None:
    save(single, 1)
    save(single, 2)
    folder = single / "step-0000002"
    file = next(folder.glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "remove":
        file.unlink()
    elif damage == "number":
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"tries": 2', '"tries": 3'))
    else:
        (folder / "manifest.json").write_text("{")
    said: list[str] = []
    assert find_checkpoint(single, ALONE, said.append).step == 1
    assert len(said) == 1 and "step-0000002" in said[0] and "\n" not in said[0]
    assert names(single) == ["step-0000001"]  # else it would count as one to keep
    assert (single / "step-0000002.damaged").is_dir()
    save(single, 2, keep_last=1)
    assert names(single) == ["step-0000002"]


@pytest.mark.parametrize("name", ["step-0000009", "step-0000001"])
def test_a_folder_is_not_believed_about_its_step(single: Path, name: str) -> None:
    save(single, 2, 3, keep_last=3)
    (single / "step-0000003").rename(single / name)
    with pytest.raises(
        DamagedCheckpoint, match=f"{name}: holds step 3, so its name is step-0000003"
    ):
        newest_valid_checkpoint(single, int(name[-1]))
    assert newest_valid_checkpoint(single).step == 2
    said: list[str] = []
    assert find_checkpoint(single, ALONE, said.append).step == 2
    assert (
        len(said) == 1 and f"{name}: holds step 3, so its name is step-0000003; trying" in said[0]
    )
    assert names(single) == ["step-0000002"]


def test_only_damaged_ones_are_an_error_and_none_are_not(single: Path) -> None:
    assert find_checkpoint(single, ALONE, print) is None
    shutil.rmtree(single)
    assert find_checkpoint(single, ALONE, print) is None
    save(single, 1)
    (single / "step-0000001/manifest.json").unlink()
    for _ in range(2):  # asking does not make it look as if there were none
        with pytest.raises(
            DamagedCheckpoint, match=r"no checkpoint is valid, the newest: .*manifest.json"
        ):
            find_checkpoint(single, ALONE, lambda line: None)


def test_a_checkpoint_of_another_model_is_refused(single: Path) -> None:
    save(single, 1)
    engine = engine_with(0)
    other = Fragment("head.weight", (2, 3), 0, engine.fragments()[0].tensors)
    engine.fragments = lambda: [other]
    with pytest.raises(DamagedCheckpoint, match=r"0 of 6 values of weight/head\.weight"):
        load_checkpoint(find_checkpoint(single, ALONE, print), engine)


def test_some_are_kept_for_good(single: Path) -> None:
    save(single, *range(1, 12), keep_last=2, keep_every=4)
    assert names(single) == [f"step-{step:07d}" for step in (4, 8, 10, 11)]


def test_names_that_are_not_ours_are_left_alone(single: Path) -> None:
    (single / "step-by-step").mkdir(parents=True)
    save(single, 99_999_999, 100_000_000, keep_last=1)
    assert names(single) == ["step-100000000"]
    assert (single / "step-by-step").is_dir()


def test_an_asynchronous_one_holds_the_state_at_the_call(single: Path) -> None:
    engine = engine_with(1.0)
    saver = Saver(single, ALONE, CheckpointConfig(async_save=True), print)
    for step in (1, 2):  # the second one takes the buffers of the first
        saver.save(step, engine, {})
        engine.fragments()[0].tensors[WEIGHT].add_(1.0)
    saver.close()
    for step in (1, 2):
        weights = read_weights(open_checkpoint(single / f"step-000000{step}"))
        assert torch.equal(weights["layer.weight"], torch.full((2, 3), float(step)))


def test_an_asynchronous_one_appears_when_it_is_finished(
    single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write = threading.Event()
    monkeypatch.setattr(
        "launch.checkpoint.saver.save_tensors", lambda *args: may_write.wait() and save_file(*args)
    )
    saver = Saver(single, ALONE, CheckpointConfig(async_save=True), print)
    saver.save(1, engine_with(1), {})
    assert saver.is_busy and not names(single)
    may_write.set()
    for _ in range(2):  # the files are written, then made a checkpoint
        while saver.is_busy:
            time.sleep(0.001)
        saver.poll(busy=False)
    assert names(single) == ["step-0000001"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_full_disk_costs_that_checkpoint_only(
    single: Path, small_disk: Callable[[int], Path], asynchronous: bool
) -> None:
    disk = small_disk(1)
    root = disk / "checkpoints"
    said: list[str] = []
    saver = Saver(root, ALONE, CheckpointConfig(async_save=asynchronous), said.append)
    saver.save(1, engine_with(1), {})
    saver.finish()
    filler = fill(disk, leaving=4096)
    saver.save(2, engine_with(2), {})
    saver.finish()
    assert len(said) == 1 and "No space left" in said[0]
    assert "step 2 was not written" in said[0] and "last complete one is step-0000001" in said[0]
    assert [path.name for path in root.glob("step-*")] == ["step-0000001"]
    assert find_checkpoint(root, ALONE, print).step == 1
    filler.unlink()
    saver.save(3, engine_with(3), {})
    saver.close()
    assert find_checkpoint(root, ALONE, print).step == 3


def test_a_run_whose_last_checkpoint_is_not_on_the_disk_does_not_end_well(
    single: Path, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(1)
    fill(disk, leaving=0)
    with pytest.raises(
        CheckpointNotWritten, match=r"step 1 was not written .*there is no other yet"
    ):
        save(disk / "checkpoints", 1)
