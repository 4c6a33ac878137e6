"""What a finetuning run tells: figures on the terminal, in log.jsonl and in TensorBoard."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from encoder.config import EncoderConfig
from encoder.flops import encoder_macs
from finetune.config import FinetuneConfig
from launch.distributed.process_group import Processes
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import StepMeter
from launch.training.engine import Engine
from video.failure_log import FailureLog
from video.recording import UnreadableVideo


class FinetuneReporter:
    """Gathers a run's figures from all processes, for the first one to show and write."""

    def __init__(
        self,
        config: FinetuneConfig,
        encoder: EncoderConfig,
        folder: Path,
        processes: Processes,
        failure_log: FailureLog,
        skipped: SkippedSteps,
        steps: range,
    ) -> None:
        self._config, self._failure_log, self._skipped = config, failure_log, skipped
        self._flops = training_flops(encoder, config.tuning.kind)
        self.logger = RunLogger(config.log, config.checkpoint, folder, processes, skipped, steps)

    @property
    def counters(self) -> dict[str, int]:
        """What the run has counted up to the last report; goes on when the run does."""
        return {**self._failure_log.counters, **self._skipped.counters}

    def report(
        self, step: int, meter: StepMeter, engine: Engine, rates: tuple[float, float]
    ) -> None:
        """Reads the meter and writes the figures of a step; every process calls it.

        Raises NonFinite and TooManyUnreadable on every process.
        """
        interval = meter.close_interval(engine.precision == "fp16")
        self.logger.record_skipped(step, interval)
        self._failure_log.add("reads", interval.reads, interval.failures)
        if not self.logger.is_writer:
            return
        copies = self._config.data.clips_per_read
        figures = {
            "loss/train": interval.loss,
            **self.logger.optimizer_metrics(engine, rates),
            **self.logger.speed_metrics(interval, copies, self._flops),
            "data/unreadable": float(self._failure_log.failures),
        }
        self.logger.log_step(step, figures, f"loss {interval.loss:.4f}")

    def count_unreadable(
        self, during: str, tries: int, failures: Sequence[UnreadableVideo]
    ) -> None:
        """Of what is not trained on; raises TooManyUnreadable on every process."""
        self._failure_log.add(during, tries, failures)
        if failures:
            self.logger.info(f"warning: {during}: {len(failures)} frames cannot be read")

    def report_validation(self, step: int, figures: Mapping[str, float], line: str) -> None:
        """Figures of the part `val`."""
        named = {f"val/{name.replace(' ', '_')}": value for name, value in figures.items()}
        self.logger.log(step, {k: v for k, v in named.items() if math.isfinite(v)})
        self.logger.info(line)


def training_flops(encoder: EncoderConfig, mode: str) -> float:
    """Of one clip: forward and backward, or forward alone where the encoder is frozen."""
    passes = 1 if mode.endswith("probe") else 3
    return 2.0 * passes * sum(encoder_macs(encoder, encoder.tokens))
