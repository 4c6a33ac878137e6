"""Progress, metrics and skipped steps of a run, whatever it trains."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from launch.config import CheckpointConfig
from launch.distributed.process_group import Processes
from launch.metrics.jsonl_log import JsonlLog
from launch.metrics.loggers import (
    Logger,
    LoggerContext,
    LogSettings,
    WriteWarning,
    require_packages,
)
from launch.metrics.mfu import peak_flops
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.progress_bar import ProgressBar
from launch.metrics.step_meter import Interval, memory_gib
from launch.training.engine import Engine


class RunLogger:
    """Logs for all processes of a run: rank 0 prints and writes, the others do nothing.

    It also decides at which steps a run logs and saves.
    """

    def __init__(
        self,
        log: LogSettings,
        checkpoint: CheckpointConfig,
        folder: Path,
        processes: Processes,
        skipped: SkippedSteps,
        steps: range,
    ) -> None:
        require_packages(log.loggers)
        self._log_every, self._save_every = log.every_steps, checkpoint.every_steps
        self._processes, self._skipped = processes, skipped
        self._last = steps.stop
        self._peak_flops = dict[str, float | None]()  # by precision, once it is known
        self._progress: ProgressBar | None = None
        self._jsonl: JsonlLog | None = None
        self._loggers = list[Logger]()
        if processes.is_rank0:
            self._progress = ProgressBar(steps)
            warning = WriteWarning(self.info)
            self._jsonl = JsonlLog(folder, steps.start, warning, self.info)
            context = LoggerContext(folder, steps.start, self._jsonl.history, self.info, warning)
            self._loggers += [each.open(context) for each in log.loggers]

    @property
    def is_writer(self) -> bool:
        """Whether this process prints and writes."""
        return self._jsonl is not None

    def info(self, line: str) -> None:
        if self._progress:
            self._progress.print(line)

    def update_progress(self, step: int) -> None:
        if self._progress:
            self._progress.update(step)

    def should_log(self, step: int) -> bool:
        return step == 1 or step % self._log_every == 0

    def should_save(self, step: int) -> bool:
        return step % self._save_every == 0 or step == self._last

    def is_suspect(self, step: int) -> bool:
        """Whether the step was skipped, so that the weights before it may be the cause."""
        return self._skipped.last == step and step != self._last

    def record_skipped(self, step: int, interval: Interval) -> None:
        """Warns of the steps of an interval that updated nothing.

        Raises NonFinite on every process when they are too many.
        """
        for skipped in interval.skipped:
            if not skipped.by_scale:
                self.info(f"warning: {skipped}; it was skipped")
        self._skipped.add(interval.skipped)
        if self.should_save(step) and self.is_suspect(step):
            self.info(f"warning: step {step} was skipped, so its checkpoint is not saved")

    def optimizer_metrics(self, engine: Engine, rates: tuple[float, float]) -> dict[str, float]:
        """`rates`: learning rate and weight decay. Waits for the device."""
        metrics = {
            "optimizer/lr": rates[0],
            "optimizer/weight_decay": rates[1],
            "optimizer/grad_norm": engine.grad_norm,
            "optimizer/skipped": float(self._skipped.counters["skipped"]),
        }
        if engine.precision == "fp16":
            metrics["optimizer/loss_scale"] = engine.loss_scale
            metrics["optimizer/overflows"] = float(self._skipped.counters["overflows"])
        return metrics

    def speed_metrics(
        self, interval: Interval, clips_per_read: int, flops_per_clip: float, precision: str
    ) -> dict[str, float]:
        """Clips per second of all processes, time waiting for data, memory, and MFU.

        MFU (Chowdhery et al., 2022, PaLM) is the share of the device's peak operations in the
        run's precision. A GPU without a known peak is named once.
        """
        clips = interval.reads * clips_per_read / interval.seconds
        metrics = {
            "speed/clips_per_second": clips,
            "speed/data_wait": interval.data_wait,
            "speed/memory_gib": memory_gib(self._processes.device),
        }
        if precision not in self._peak_flops:
            self._peak_flops[precision] = peak_flops(self._processes.device, precision, self.info)
        if peak := self._peak_flops[precision]:
            available = peak * self._processes.world_size
            metrics["speed/mfu"] = clips * flops_per_clip / available
        return metrics

    def log_step(self, step: int, metrics: dict[str, float], summary: str) -> None:
        """Logs metrics, and prints a line that begins with the stage's `summary`."""
        self.log(step, metrics)
        if self._progress:
            self._progress.report(step, f"{summary}  {_summary(metrics)}")

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Logs metrics without printing them; values that are not finite are left out."""
        if self._jsonl:
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            self._jsonl.log_scalars(step, finite)
            for logger in self._loggers:
                logger.log_scalars(step, finite)

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        for logger in self._loggers:
            logger.log_image(step, name, image)

    def close(self) -> None:
        for logger in self._loggers:
            logger.close()
        if self._progress:
            self._progress.close()


def _summary(metrics: dict[str, float]) -> str:
    line = (
        f"lr {metrics['optimizer/lr']:.2e}  {metrics['speed/clips_per_second']:.1f} clips/s  "
        f"data wait {metrics['speed/data_wait']:.0%}"
    )
    counts = {"data/unreadable": "unreadable", "optimizer/skipped": "steps skipped"}
    for name, word in counts.items():
        line += f"  {metrics[name]:.0f} {word}" if metrics.get(name) else ""
    return line
