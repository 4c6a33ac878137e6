"""What every run tells, whatever it trains: progress, figures, and steps that were skipped."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from launch.config import CheckpointConfig
from launch.distributed.process_group import Processes, device_name
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.progress_bar import ProgressBar
from launch.metrics.run_log import RunLog
from launch.metrics.step_meter import Interval, memory_gib, peak_flops
from launch.training.engine import Engine


class RunLogger:
    """Speaks for all processes of a run: the first one shows and writes, the others keep silent.

    Also knows at which steps the run speaks and saves.
    """

    def __init__(
        self,
        every_steps: int,
        checkpoint: CheckpointConfig,
        folder: Path,
        processes: Processes,
        skipped: SkippedSteps,
        steps: range,
    ) -> None:
        self._every, self._saving = every_steps, checkpoint.every_steps
        self._processes, self._skipped = processes, skipped
        self._last = steps.stop
        self._peak = peak_flops(device_name(processes.device))
        self._progress = ProgressBar(steps) if processes.is_rank0 else None
        self._log = RunLog(folder, steps.start, self.info) if processes.is_rank0 else None

    @property
    def is_writer(self) -> bool:
        """Whether this process is the one that shows and writes."""
        return self._log is not None

    def info(self, line: str) -> None:
        if self._progress:
            self._progress.print(line)

    def update_progress(self, step: int) -> None:
        if self._progress:
            self._progress.update(step)

    def should_log(self, step: int) -> bool:
        return step == 1 or step % self._every == 0

    def should_save(self, step: int) -> bool:
        return step % self._saving == 0 or step == self._last

    def is_suspect(self, step: int) -> bool:
        """Whether weights after a step may be broken, and the checkpoint before is the better."""
        return self._skipped.last == step and step != self._last

    def record_skipped(self, step: int, interval: Interval) -> None:
        """Warns of the steps of an interval that updated nothing.

        Raises NonFinite on every process.
        """
        for skipped in interval.skipped:
            if not skipped.by_scale:
                self.info(f"warning: {skipped}; it was skipped")
        self._skipped.add(interval.skipped)
        if self.should_save(step) and self.is_suspect(step):
            self.info(f"warning: there is no checkpoint of step {step}, which was skipped")

    def optimizer_metrics(self, engine: Engine, rates: tuple[float, float]) -> dict[str, float]:
        """`rates`: learning rate and weight decay. Waits for the device."""
        figures = {
            "optimizer/lr": rates[0],
            "optimizer/weight_decay": rates[1],
            "optimizer/grad_norm": engine.grad_norm,
            "optimizer/skipped": float(self._skipped.counters["skipped"]),
        }
        if engine.precision == "fp16":
            figures["optimizer/loss_scale"] = engine.loss_scale
            figures["optimizer/overflows"] = float(self._skipped.counters["overflows"])
        return figures

    def speed_metrics(
        self, interval: Interval, clips_per_read: int, flops_per_clip: float
    ) -> dict[str, float]:
        """Clips a second of all processes, share of the device's peak, waiting and memory."""
        clips = interval.reads * clips_per_read / interval.seconds
        figures = {
            "speed/clips_per_second": clips,
            "speed/data_wait": interval.data_wait,
            "speed/memory_gib": memory_gib(self._processes.device),
        }
        if self._peak:
            available = self._peak * self._processes.world_size
            figures["speed/mfu"] = clips * flops_per_clip / available
        return figures

    def log_step(self, step: int, figures: dict[str, float], begins: str) -> None:
        """Figures into the log, and a line on the terminal that `begins` with the stage's own."""
        if not (self._log and self._progress):
            return
        self._log.log_scalars(step, figures)
        self._progress.report(step, f"{begins}  {_ending(figures)}")

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Figures into the log alone."""
        if self._log:
            self._log.log_scalars(step, figures)

    def log_image(self, step: int, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        if self._log:
            self._log.log_image(step, name, image)

    def close(self) -> None:
        if self._log:
            self._log.close()
        if self._progress:
            self._progress.close()


def _ending(figures: dict[str, float]) -> str:
    line = (
        f"lr {figures['optimizer/lr']:.2e}  {figures['speed/clips_per_second']:.1f} clips/s  "
        f"data wait {figures['speed/data_wait']:.0%}"
    )
    counts = {"data/unreadable": "unreadable", "optimizer/skipped": "steps skipped"}
    for name, word in counts.items():
        line += f"  {figures[name]:.0f} {word}" if figures.get(name) else ""
    return line
