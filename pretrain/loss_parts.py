"""The loss of a micro-batch, and its parts: by field of view, by source, and of the baseline."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from launch.distributed.process_group import all_reduce_sum
from pretrain.config import PretrainConfig
from pretrain.loss import Objective, outside_view

PARTS = ("loss/constant_baseline", "loss/inside_fov", "loss/outside_fov")


class BatchLoss(NamedTuple):
    """The loss of a micro-batch, and of each of PARTS and clips the sum and the number of tokens.

    The sums are 0 where the loss is not finite.
    """

    loss: Float[Tensor, ""]
    sums: Float[Tensor, "parts b 2"]


def batch_loss(
    objective: Objective,
    fov_darkness: float,
    prediction: Float[Tensor, "b k p"],
    clip: Shaped[Tensor, "b t h w c"],
    visible: Int64[Tensor, "b v"],
    decoded: Int64[Tensor, "b k"],
) -> BatchLoss:
    """Compares a prediction with the target of the decoded tokens.

    One function without side effects, so that it can be compiled as a whole. `fov_darkness`: as
    `darkness` of `outside_view`.
    """
    target = objective.target.compute(clip, decoded)
    errors = objective.token_errors(prediction, target, visible, decoded)
    loss = errors.loss()
    with torch.no_grad():
        outside = outside_view(clip, decoded, objective.encoder, fov_darkness)
        parts = (
            (objective.baseline_errors(target), errors.hidden),
            (errors.error, errors.hidden & ~outside),
            (errors.error, errors.hidden & outside),
        )
        sums = torch.stack(
            [torch.stack(((error * of).sum(1), of.sum(1)), dim=1) for error, of in parts]
        )
        return BatchLoss(loss, torch.where(torch.isfinite(loss), sums, 0))


class LossParts:
    """Adds up by clip without waiting for the device, and divides at a report.

    The parts are over the clips of `loss/train`: those of all micro-batches, on all processes,
    whose loss was finite.
    """

    def __init__(self, config: PretrainConfig, source_of: Mapping[str, str]) -> None:
        """`source_of`: the source's name by the path of a recording."""
        self._per_read, self._source_of = config.data.clips_per_read, source_of
        self._named = [name for name in config.data.named if name]
        self._restart()

    def _restart(self) -> None:
        self._sums: list[Tensor] = []  # of each micro-batch: [parts b 2], a loss and its tokens
        self._sources: list[str] = []  # of each read

    def add(self, sums: Float[Tensor, "parts b 2"], recordings: Sequence[str]) -> None:
        """Adds the sums of a micro-batch, with the recording of each read."""
        self._sums.append(sums)
        self._sources += [self._source_of[path] for path in recordings]

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
