"""Training batches of labelled samples."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Int64, UInt8
from torch import Tensor

from finetune.config import FinetuneConfig
from finetune.data.samples import LabelledClip, LabelledSamples
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
from video.read_timeout import ReadTimeout
from video.recording import UnreadableVideo


class FinetuneBatch(NamedTuple):
    """A micro-batch. With mixup, clips 2 i and 2 i + 1 are a pair, of two different reads."""

    clip: UInt8[Tensor, " b *s t h w c"]  # s: segments, if above 1
    label: Int64[Tensor, " b *k"]
    reads: tuple[ReadIndex, ...]
    recordings: tuple[str, ...]  # of each read
    failures: tuple[UnreadableVideo, ...]
    mean_weight: float | None = None  # of the clips of the whole step; None: all count the same


class Collate:
    """The micro-batch of several reads; with a `group` of 2, clips of two reads alternate."""

    def __init__(self, group: int) -> None:
        self._group = group

    def __call__(
        self,
        clip: UInt8[Tensor, " b *s t h w c"],
        items: Sequence[tuple[ReadIndex, LabelledClip]],
    ) -> FinetuneBatch:
        labels = torch.from_numpy(np.stack([clip.label for _, clip in items]))
        copies = max(len(clip.clips) for _, clip in items)
        labels = labels.unsqueeze(1).repeat_interleave(copies, 1)
        labels = rearrange(labels, "(p two) r ... -> (p r two) ...", two=self._group)
        return FinetuneBatch(
            clip,
            labels,
            tuple(read for read, _ in items),
            tuple(clip.path for _, clip in items),
            tuple(failure for _, clip in items for failure in clip.failures),
        )


def pair_rngs(reads: Sequence[ReadIndex], copies: int, seed: int) -> list[np.random.Generator]:
    """The generator of mixup for each pair of clips of reads; it depends on the first clip."""
    return [
        sample_rng(seed, first.epoch, first.position * copies + copy, "mixing")
        for first in reads[::2]
        for copy in range(copies)
    ]


def open_batches(
    config: FinetuneConfig,
    samples: LabelledSamples,
    processes: Processes,
    steps: range,
    accumulation: int,
) -> Iterator[FinetuneBatch]:
    """The micro-batches of this process for `steps`.

    On a CPU, the clips of one are overwritten when the next but one is taken.
    """
    data = config.data
    timeout = ReadTimeout(data.workers, data.read_timeout)
    reads = config.batch.micro_batch // data.clips_per_read

    def sampler_after(done: int) -> ReadSampler:
        micro_batches = range(steps.start * accumulation + done, steps.stop * accumulation)
        return ReadSampler(
            len(samples), epoch_order(config.seed, len(samples)), micro_batches, reads, processes
        )

    shape = (config.batch.micro_batch, *samples.clip_shape)
    ring = BatchRing({"clip": FieldSpec(shape, torch.uint8)}, data.workers, processes.device)
    group = 2 if config.mixup.on else 1
    dataset = MicroBatchDataset(samples.read, Collate(group), ring, config.seed, timeout, group)
    batches = iterate_micro_batches(
        dataset, ring, sampler_after, data.workers, timeout.collect_timeouts
    )
    full = require_full_batches(batches, config.batch.micro_batch)
    return to_device(full, processes.device, ("clip",))  # labels are checked on the host


def epoch_order(seed: int, samples: int) -> Callable[[int], np.ndarray]:
    """From an epoch to the shuffled positions of its samples."""

    def order(epoch: int) -> np.ndarray:
        positions = np.arange(samples, dtype=np.uint32)
        return sample_rng(seed, epoch, 0, "order").permutation(positions)

    return order
