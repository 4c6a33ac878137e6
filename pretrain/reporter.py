"""What a run tells: figures on the terminal, in log.jsonl and in TensorBoard."""

from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from launch.distributed.process_group import Processes, all_reduce_sum
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import StepMeter
from launch.training.engine import Engine
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.flops import ForwardCost
from pretrain.loss import TokenErrors, constant_baseline_error, outside_view
from pretrain.sources import Sources
from pretrain.targets import Target
from video.failure_log import FailureLog


class PretrainReporter:
    """Gathers a run's figures from all processes, for the first one to show and write."""

    def __init__(
        self,
        config: PretrainConfig,
        folder: Path,
        processes: Processes,
        cost: ForwardCost,
        failure_log: FailureLog,
        skipped: SkippedSteps,
        steps: range,
        sources: Sources,
    ) -> None:
        self._named = [name for name in sources.plans if name]
        self._source_of = {recording.path: recording.source for recording in sources.recordings}
        self._config, self._folder, self._cost = config, folder, cost
        self._failure_log, self._skipped = failure_log, skipped
        self.logger = RunLogger(
            config.log.every_steps, config.checkpoint, folder, processes, skipped, steps
        )

    @property
    def counters(self) -> dict[str, int]:
        """What the run has counted up to the last report; goes on when the run does."""
        return {**self._failure_log.counters, **self._skipped.counters}

    def report(
        self,
        step: int,
        meter: StepMeter,
        engine: Engine,
        rates: tuple[float, float],
        batch: PretrainBatch,
        target: Target,
        errors: TokenErrors,
    ) -> None:
        """Reads the meter and writes the figures of a step; every process calls it.

        `rates` are learning rate and weight decay. Raises NonFinite and TooManyUnreadable on
        every process.
        """
        interval = meter.close_interval(engine.precision == "fp16")
        self.logger.record_skipped(step, interval)
        parts = self._loss_parts(batch, target, errors)
        self._failure_log.add("reads", interval.reads, interval.failures)
        if not self.logger.is_writer:
            return
        copies, flops = self._config.data.clips_per_read, self._cost.training_flops
        figures = {
            "loss/train": interval.loss,
            **parts,
            **self.logger.optimizer_metrics(engine, rates),
            **self.logger.speed_metrics(interval, copies, flops),
            "data/unreadable": float(self._failure_log.failures),
        }
        losses = f"loss {interval.loss:.4f} (baseline {parts['loss/constant_baseline']:.3f})"
        self.logger.log_step(step, figures, losses)

    def _loss_parts(
        self, batch: PretrainBatch, target: Target, errors: TokenErrors
    ) -> dict[str, float]:
        """The loss of a step's last micro-batch by place and source, and the constant baseline's.

        What the micro-batch has nothing of, on no process, is not a number.
        """
        config = self._config
        darkness = config.target.field_of_view_darkness
        outside = outside_view(batch.clip, batch.decoded, config.encoder, darkness)
        baseline = constant_baseline_error(target.values, config.encoder.channels)
        chosen = {
            "loss/constant_baseline": (baseline, errors.hidden),
            "loss/inside_fov": (errors.error, errors.hidden & ~outside),
            "loss/outside_fov": (errors.error, errors.hidden & outside),
        }
        for name in self._named:
            mine = self._clips_of(name, batch).unsqueeze(1)
            chosen[f"loss/source/{name}"] = (errors.error, errors.hidden & mine)
        sums = [
            part
            for values, where in chosen.values()
            for part in ((values * where).sum(), where.sum())
        ]
        totals = all_reduce_sum(torch.stack([part.double() for part in sums])).view(-1, 2)
        means = (totals[:, 0] / totals[:, 1]).tolist()
        return dict(zip(chosen, means, strict=True))

    def _clips_of(self, source: str, batch: PretrainBatch) -> Bool[Tensor, " b"]:
        """True at the clips of a micro-batch that a source gave."""
        reads = [self._source_of[path] == source for path in batch.recordings]
        clips = torch.tensor(reads, device=batch.clip.device)
        return clips.repeat_interleave(self._config.data.clips_per_read)
