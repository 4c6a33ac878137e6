"""The parts of an interval's loss: by field of view, by source, and of the baseline."""

from collections.abc import Mapping

import torch
from torch import Tensor

from launch.distributed.process_group import all_reduce_sum
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loss import Objective, TokenErrors, outside_view
from pretrain.targets.built import Target

PARTS = ("loss/constant_baseline", "loss/inside_fov", "loss/outside_fov")


class LossParts:
    """Adds up by clip without waiting for the device, and divides at a report.

    The parts are over the clips of `loss/train`: those of all micro-batches, on all processes,
    whose loss was finite.
    """

    def __init__(
        self, config: PretrainConfig, objective: Objective, source_of: Mapping[str, str]
    ) -> None:
        """`source_of`: the source's name by the path of a recording."""
        self._darkness, self._per_read = config.log.fov_darkness, config.data.clips_per_read
        self._objective, self._source_of = objective, source_of
        self._named = [name for name in config.data.named if name]
        self._restart()

    def _restart(self) -> None:
        self._sums: list[Tensor] = []  # of each micro-batch: [parts b 2], a loss and its tokens
        self._sources: list[str] = []  # of each read

    @torch.no_grad()
    def add(self, batch: PretrainBatch, target: Target, errors: TokenErrors) -> None:
        """Adds a micro-batch."""
        encoder, hidden = self._objective.encoder, errors.hidden
        outside = outside_view(batch.clip, batch.decoded, encoder, self._darkness)
        parts = (
            (self._objective.baseline_errors(target), hidden),
            (errors.error, hidden & ~outside),
            (errors.error, hidden & outside),
        )
        sums = torch.stack(
            [torch.stack(((error * of).sum(1), of.sum(1)), dim=1) for error, of in parts]
        )
        self._sums.append(torch.where(torch.isfinite(errors.loss()), sums, 0))
        self._sources += [self._source_of[path] for path in batch.recordings]

    def close_interval(self) -> dict[str, float]:
        """Mean losses since the last call; every process calls it.

        A part is not a number where no process has a token of it.
        """
        of_clips = torch.cat(self._sums, dim=1).double()
        _, inside, outside = of_clips
        sums = [*of_clips.sum(dim=1)]
        for name in self._named:
            chosen = of_clips.new_tensor([source == name for source in self._sources])
            of_source = chosen.repeat_interleave(self._per_read).unsqueeze(1)
            sums.append(((inside + outside) * of_source).sum(dim=0))
        totals = all_reduce_sum(torch.stack(sums))
        names = (*PARTS, *(f"loss/source/{name}" for name in self._named))
        self._restart()
        return dict(zip(names, (totals[:, 0] / totals[:, 1]).tolist(), strict=True))
