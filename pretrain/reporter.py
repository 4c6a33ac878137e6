"""Training metrics of a run: on the terminal, in log.jsonl and in TensorBoard."""

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
from pretrain.loss import Objective, TokenErrors, outside_view
from pretrain.sources import Sources
from pretrain.targets.built import Target
from video.failure_log import FailureLog


class PretrainReporter:
    """Gathers the metrics of all processes; rank 0 shows and writes them."""

    def __init__(
        self,
        config: PretrainConfig,
        objective: Objective,
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
        self._config, self._objective, self._cost = config, objective, cost
        self._failure_log, self._skipped = failure_log, skipped
        self.logger = RunLogger(config.log, config.checkpoint, folder, processes, skipped, steps)

    @property
    def counters(self) -> dict[str, int]:
        """Counts up to the last report; checkpoints hold them, so a resumed run continues them."""
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
        """Writes the metrics of a step and of the interval since the last report.

        Every process calls it. `rates` are learning rate and weight decay. Raises NonFinite and
        TooManyUnreadable, on every process.
        """
        interval = meter.close_interval(engine.precision == "fp16")
        self.logger.record_skipped(step, interval)
        parts = self._loss_parts(batch, target, errors)
        self._failure_log.add("reads", interval.reads, interval.failures)
        if not self.logger.is_writer:
            return
        config, flops = self._config, self._cost.training_flops
        metrics = {
            "loss/train": interval.loss,
            **parts,
            **self.logger.optimizer_metrics(engine, rates),
            **self.logger.speed_metrics(interval, config.data.clips_per_read, flops),
            "data/unreadable": float(self._failure_log.failures),
        }
        baseline = parts["loss/constant_baseline"]
        losses = f"{config.loss.kind} loss {interval.loss:.4f} (constant baseline {baseline:.3f})"
        self.logger.log_step(step, metrics, losses)

    def _loss_parts(
        self, batch: PretrainBatch, target: Target, errors: TokenErrors
    ) -> dict[str, float]:
        """Mean loss in a step's last micro-batch: by field of view, by source, of the baseline.

        A part is not a number where no process has a token of it.
        """
        config = self._config
        darkness = config.log.fov_darkness
        outside = outside_view(batch.clip, batch.decoded, config.encoder, darkness)
        baseline = self._objective.baseline_errors(target)
        parts = {
            "loss/constant_baseline": (baseline, errors.hidden),
            "loss/inside_fov": (errors.error, errors.hidden & ~outside),
            "loss/outside_fov": (errors.error, errors.hidden & outside),
        }
        for name in self._named:
            of_source = self._clips_of(name, batch).unsqueeze(1)
            parts[f"loss/source/{name}"] = (errors.error, errors.hidden & of_source)
        sums = [
            each
            for values, where in parts.values()
            for each in ((values * where).sum(), where.sum())
        ]
        totals = all_reduce_sum(torch.stack([each.double() for each in sums])).view(-1, 2)
        means = (totals[:, 0] / totals[:, 1]).tolist()
        return dict(zip(parts, means, strict=True))

    def _clips_of(self, source: str, batch: PretrainBatch) -> Bool[Tensor, " b"]:
        """True at the clips of a micro-batch that are from a source."""
        reads = [self._source_of[path] == source for path in batch.recordings]
        clips = torch.tensor(reads, device=batch.clip.device)
        return clips.repeat_interleave(self._config.data.clips_per_read)
