"""Training metrics of a run: on the terminal, in log.jsonl and in TensorBoard."""

from pathlib import Path

from launch.distributed.process_group import Processes
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import StepMeter
from launch.training.engine import Engine
from pretrain.config import PretrainConfig
from pretrain.flops import ForwardCost
from pretrain.loss import FLAT_BASELINE
from pretrain.loss_parts import LossParts
from pretrain.sources import Sources
from pretrain.startup_summary import FLAT_CLIPS
from video.failure_log import FailureLog


class PretrainReporter:
    """Gathers the metrics of all processes; rank 0 shows and writes them."""

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
        source_of = {recording.path: recording.source for recording in sources.recordings}
        self.loss_parts = LossParts(config, source_of)
        self._config, self._cost = config, cost
        self._has_warned_of_flat_clips = False
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
    ) -> None:
        """Writes the metrics of the interval since the last report.

        Every process calls it. `rates` are learning rate and weight decay. Raises NonFinite and
        TooManyUnreadable, on every process.
        """
        interval = meter.close_interval(engine.precision == "fp16")
        self.logger.record_skipped(step, interval)
        parts = self.loss_parts.close_interval()
        tries = interval.reads + len(interval.failures)  # a clip that fails is replaced, and read
        self._failure_log.add("reads", tries, interval.failures)
        if not self.logger.is_writer:
            return
        config, flops = self._config, self._cost.training_flops
        metrics = {
            "loss/train": interval.loss,
            **parts,
            **self.logger.optimizer_metrics(engine, rates),
            **self.logger.speed_metrics(
                interval, config.data.clips_per_read, flops, engine.precision
            ),
            "data/unreadable": float(self._failure_log.failures),
        }
        baseline = parts["loss/constant_baseline"]
        if baseline < FLAT_BASELINE and not self._has_warned_of_flat_clips:
            self.logger.info(f"warning: step {step}: {FLAT_CLIPS}")
            self._has_warned_of_flat_clips = True
        losses = f"{config.loss.kind} loss {interval.loss:.4f} (constant baseline {baseline:.3f})"
        self.logger.log_step(step, metrics, losses)
