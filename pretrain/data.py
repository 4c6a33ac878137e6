"""Batches of clips and masks: which clips a process reads at a step."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from launch.distributed.process_group import Processes
from launch.rng import sample_rng
from launch.training.dataloader import ReadIndex, ReadSampler
from launch.training.device_copy import to_device
from launch.training.micro_batch import (
    MicroBatchDataset,
    iterate_micro_batches,
    require_full_batches,
)
from launch.training.ring_buffer import BatchRing, FieldSpec
from pretrain.config import PretrainConfig
from pretrain.sources import Sources
from video.clip_reader import ClipRead, ClipReader
from video.read_timeout import ReadTimeout
from video.recording import UnreadableVideo

TENSORS = ("clip", "visible", "decoded")  # the fields of a batch that go to the device
FIXED_CLIPS = 3  # whose reconstructions are logged


class PretrainBatch(NamedTuple):
    """A micro-batch: only bytes and indices, which are small to transfer."""

    clip: UInt8[Tensor, "b t h w c"]
    visible: Int64[Tensor, "b v"]
    decoded: Int64[Tensor, "b k"]
    recordings: tuple[str, ...]  # path per read
    failures: tuple[UnreadableVideo, ...]


class Collate:
    """The micro-batch of several reads, whose masks are drawn together."""

    def __init__(self, config: PretrainConfig) -> None:
        self._masking, self._grid, self._seed = config.masking, config.encoder.grid, config.seed
        self._per_read, self._mask_inside_fov = (
            config.data.clips_per_read,
            config.data.mask_inside_fov,
        )

    def __call__(
        self, clip: UInt8[Tensor, "b t h w c"], items: Sequence[tuple[ReadIndex, ClipRead]]
    ) -> PretrainBatch:
        samples = [
            (read.epoch, read.position * self._per_read + i)
            for read, clips in items
            for i in range(len(clips.clips))
        ]
        rngs = [sample_rng(self._seed, epoch, sample, "mask") for epoch, sample in samples]
        masks = self._masking.draw(self._grid, rngs, self._inside_fov(items))
        return PretrainBatch(
            clip,
            torch.from_numpy(masks.visible),
            torch.from_numpy(masks.decoded),
            tuple(clips.path for _, clips in items),
            tuple(failure for _, clips in items for failure in clips.failures),
        )

    def _inside_fov(
        self, items: Sequence[tuple[ReadIndex, ClipRead]]
    ) -> Bool[np.ndarray, "b n"] | None:
        """True at the tokens of each clip that touch the field of view, the same in all frames."""
        if not self._mask_inside_fov:
            return None
        cells = np.concatenate([clips.inside for _, clips in items])
        return np.tile(cells.reshape(len(cells), -1), self._grid[0])


def open_batches(
    config: PretrainConfig, sources: Sources, processes: Processes, steps: range, accumulation: int
) -> tuple[Iterator[PretrainBatch], PretrainBatch]:
    """The micro-batches of this process for `steps`, and FIXED_CLIPS clips of the run.

    On a CPU, a micro-batch is overwritten when the next but one is taken.
    """
    rows, columns = config.encoder.image_size
    reader = ClipReader(
        sources.recordings,
        sources.sampler,
        config.data.augmentation,
        rows,
        columns,
        config.data.clips_per_read,
        config.fov_cells,
        config.min_fov_share,
    )
    timeout = ReadTimeout(config.data.workers, config.data.read_timeout)
    collate = Collate(config)
    ring = BatchRing(_fields(config), config.data.workers, processes.device)
    dataset = MicroBatchDataset(reader.read, collate, ring, config.seed, timeout)
    reads = config.batch.micro_batch // config.data.clips_per_read
    reads_per_epoch = sources.sampler.reads_per_epoch

    def order(epoch: int) -> np.ndarray:
        return sources.sampler.order(sample_rng(config.seed, epoch, 0, "order"))

    def schedule(done: int) -> ReadSampler:
        micro_batches = range(steps.start * accumulation + done, steps.stop * accumulation)
        return ReadSampler(reads_per_epoch, order, micro_batches, reads, processes)

    batches = iterate_micro_batches(
        dataset, ring, schedule, config.data.workers, timeout.collect_timeouts
    )
    full = require_full_batches(batches, config.batch.micro_batch)
    places = [
        ReadIndex(0, position)
        for position in range(0, reads_per_epoch, -(-reads_per_epoch // FIXED_CLIPS))
    ]
    firsts = [_first_clip(place, dataset.read(place)) for place in places]
    fixed = collate(torch.cat([clips.clips for _, clips in firsts]), firsts)
    (fixed,) = to_device([fixed], processes.device, TENSORS)
    return to_device(full, processes.device, TENSORS), fixed


def _fields(config: PretrainConfig) -> dict[str, FieldSpec]:
    clips, encoder = config.batch.micro_batch, config.encoder
    counts = config.masking.counts(encoder.grid)
    clip = (clips, encoder.num_frames, *encoder.image_size, encoder.channels)
    return {
        "clip": FieldSpec(clip, torch.uint8),
        "visible": FieldSpec((clips, counts.visible), torch.int64),
        "decoded": FieldSpec((clips, counts.decoded), torch.int64),
    }


def _first_clip(read: ReadIndex, clips: ClipRead) -> tuple[ReadIndex, ClipRead]:
    return read, clips._replace(clips=clips.clips[:1], inside=clips.inside[:1])
