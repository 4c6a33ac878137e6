"""The metrics of a finetuning run: on the terminal, in log.jsonl and in TensorBoard."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from encoder.config import EncoderConfig
from encoder.flops import encoder_macs
from finetune.config import FinetuneConfig
from launch.distributed.process_group import Processes
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import StepMeter
from launch.report.formatting import format_count
from launch.training.engine import Engine
from video.failure_log import FailureLog
from video.recording import UnreadableVideo


class FinetuneReporter:
    """Collects metrics from all processes; rank 0 prints and writes them."""

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
        self._flops = training_flops(encoder, is_frozen=config.tuning.blocks == 0)
        self.logger = RunLogger(config.log, config.checkpoint, folder, processes, skipped, steps)

    @property
    def counters(self) -> dict[str, int]:
        """Counters up to the last report; checkpoints save them."""
        return {**self._failure_log.counters, **self._skipped.counters}

    def report(
        self, step: int, meter: StepMeter, engine: Engine, rates: tuple[float, float]
    ) -> None:
        """Reads the meter and logs the metrics of a step; every process calls it.

        Raises NonFinite and TooManyUnreadable on every process.
        """
        interval = meter.close_interval(engine.precision == "fp16")
        self.logger.record_skipped(step, interval)
        tries = interval.reads + len(interval.failures)  # a clip that fails is replaced, and read
        self._failure_log.add("reads", tries, interval.failures)
        if not self.logger.is_writer:
            return
        copies = self._config.data.clips_per_read
        metrics = {
            "loss/train": interval.loss,
            **self.logger.optimizer_metrics(engine, rates),
            **self.logger.speed_metrics(interval, copies, self._flops, engine.precision),
            "data/unreadable": float(self._failure_log.failures),
        }
        self.logger.log_step(step, metrics, f"loss {interval.loss:.4f}")

    def count_unreadable(
        self, during: str, readable: Bool[np.ndarray, " m"], failures: Sequence[UnreadableVideo]
    ) -> None:
        """Counts the samples of an evaluation that are not readable; `failures` are of frames.

        Raises TooManyUnreadable on every process.
        """
        self._failure_log.add(during, len(readable), failures, int((~readable).sum()))
        if failures:
            self.logger.info(
                f"warning: {during}: unreadable: {format_count(len(failures), 'frame')}"
            )

    def report_validation(self, step: int, metrics: Mapping[str, float], line: str) -> None:
        """Logs the metrics of the part `val`."""
        named = {f"val/{name.replace(' ', '_')}": value for name, value in metrics.items()}
        self.logger.log(step, {k: v for k, v in named.items() if math.isfinite(v)})
        self.logger.info(line)


def training_flops(encoder: EncoderConfig, is_frozen: bool) -> float:
    """Of one clip: forward and backward, or forward only where the encoder is frozen."""
    passes = 1 if is_frozen else 3
    return 2.0 * passes * sum(encoder_macs(encoder, encoder.tokens))
