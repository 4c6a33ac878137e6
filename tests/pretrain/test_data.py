"""The samples of each process, and that they do not depend on where they are read."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from launch.distributed.process_group import Processes
from launch.recipe import load_recipe
from launch.training.micro_batch import NothingReadable
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch, open_batches
from pretrain.sources import Sources, plans_of
from tests.pretrain.runs import kept, words
from video.clip_sampler import ClipSampler
from video.discover import find_recordings
from video.readers.probe import probe
from video.recording import FieldOfView, Recording


def batches(
    operations: Path, *overrides: str, processes: Processes | None = None
) -> list[PretrainBatch]:
    arguments = words(operations, Path("unused"), *overrides)
    config = load_recipe(PretrainConfig, arguments[0], arguments[1:], RECIPES, run="unused")
    recordings = [probe(path) for path in find_recordings(operations)]
    found, _ = open_batches(
        config, sources(config, recordings), processes or Processes(), range(3), 1
    )
    return [kept(batch) for batch in found]


def sources(config: PretrainConfig, recordings: list[Recording]) -> Sources:
    plans = plans_of(config.data)
    return Sources(
        recordings, ClipSampler(recordings, config.encoder.num_frames, plans), plans, "", 0
    )


def test_workers_change_nothing(operations: Path) -> None:
    alone = batches(operations)
    helped = batches(operations, "data.workers=2")
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.clip, other.clip)
        assert torch.equal(one.visible, other.visible)
        assert torch.equal(one.decoded, other.decoded)
        assert one.recordings == other.recordings


def test_ranks_share_a_batch(operations: Path) -> None:
    whole = batches(operations, "batch.micro_batch_size=4")
    parts = [batches(operations, processes=Processes(rank, 2)) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch.clip, torch.cat([part[step].clip for part in parts]))
        assert torch.equal(batch.visible, torch.cat([part[step].visible for part in parts]))


def test_clips_of_a_read_have_their_own_masks(operations: Path) -> None:
    batch = batches(operations, "data.clips_per_read=2")[0]
    assert len(batch.clip) == 2
    assert len(batch.recordings) == 1
    assert not torch.equal(batch.visible[0], batch.visible[1])
    assert not torch.equal(batch.clip[0], batch.clip[1])
    assert batch.clip.dtype == torch.uint8


def test_missing_data_ends_the_batches(operations: Path, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.mp4")
    lost = [replace(probe(path), path=gone) for path in find_recordings(operations)]
    arguments = words(operations, Path("unused"))
    config = load_recipe(PretrainConfig, arguments[0], arguments[1:], RECIPES, run="unused")
    found, _ = open_batches(config, sources(config, lost), Processes(), range(3), 1)
    with pytest.raises(NothingReadable, match=r"gone.mp4.*is the disk with the recordings"):
        next(found)


def test_only_tokens_in_the_field_of_view_are_decoded_by_option(operations: Path) -> None:
    arguments = words(
        operations,
        Path("unused"),
        "data.mask_inside_fov=true",
        "masking.decode_visible=false",
        "data.augmentation={flip: true, scales: [1.0, 0.8]}",
        "data.workers=1",
        "encoder.image_size=64",
        "encoder.patch_size=8",
    )
    config = load_recipe(PretrainConfig, arguments[0], arguments[1:], RECIPES, run="unused")
    view = FieldOfView("box", (0.0, 0.0, 1.0, 1.0))  # the left three quarters
    recordings = [replace(probe(path), view=view) for path in find_recordings(operations)]
    found, fixed = open_batches(config, sources(config, recordings), Processes(), range(3), 1)
    asked = set()
    for batch in (*found, fixed):
        assert batch.decoded.shape[1] == config.masking.counts(config.encoder.grid).loss
        asked |= {frozenset((row % 8).tolist()) for row in batch.decoded}
    # crops reach beyond the view on the right, or mirrored on the left
    assert any(7 not in columns for columns in asked)
    assert any(0 not in columns for columns in asked)
