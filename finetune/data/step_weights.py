"""The mean weight of a step's clips in the loss, known from their labels before any is read."""

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from finetune.augment.mixup import mixup
from finetune.config import FinetuneConfig
from finetune.data.batches import FinetuneBatch, epoch_order, open_batches, pair_rngs
from finetune.data.samples import LabelledSamples
from finetune.model.losses import BuiltLoss
from launch.distributed.process_group import Processes
from launch.training.dataloader import ReadIndex, ReadSampler

SAME = 1e-6  # weights that differ by less are equal but for rounding


def open_weighted_batches(
    config: FinetuneConfig,
    samples: LabelledSamples,
    loss: BuiltLoss,
    processes: Processes,
    steps: range,
    accumulation: int,
) -> Iterator[FinetuneBatch]:
    """The micro-batches of this process, each with the mean weight of its step where clips differ.

    A clip that replaces an unreadable one counts as the one that it replaces.
    """
    weights = loss.clip_weights
    batches = open_batches(config, samples, processes, steps, accumulation)
    if weights is None or _all_equal(torch.cat([weights(each) for each in samples.labels()])):
        yield from batches
        return
    order = epoch_order(config.seed, len(samples))
    reads_per_step = config.batch.global_batch_size // config.data.clips_per_read
    for reads in ReadSampler(len(samples), order, steps, reads_per_step, Processes()):
        labels = torch.stack([samples.label(read.position) for read in reads])
        # what is mixed with a missing label is missing; shares of classes have the same sum
        if config.mixup.on and config.multi_label:
            labels = _mixed(labels, reads, config, samples.image_size)
        mean = float(weights(labels).double().mean())
        for batch in islice(batches, accumulation):
            yield batch._replace(mean_weight=mean)


def _all_equal(weights: Float[Tensor, " n"]) -> bool:
    return bool(weights.max() - weights.min() <= SAME * weights.max())


def _mixed(
    labels: Tensor, reads: Sequence[ReadIndex], config: FinetuneConfig, image_size: tuple[int, int]
) -> Tensor:
    """The mixed labels of a step's clips; CutMix needs the size of the image, not its pixels."""
    copies = config.data.clips_per_read
    labels = labels.unsqueeze(1).repeat_interleave(copies, 1)
    labels = rearrange(labels, "(p two) r k -> (p r two) k", two=2)
    clips = torch.zeros(len(labels), 1, *image_size, 1, dtype=torch.uint8)
    rngs = pair_rngs(reads, copies, config.seed)
    return mixup(clips, labels, config.mixup, labels.shape[1], 0.0, rngs)[1]
