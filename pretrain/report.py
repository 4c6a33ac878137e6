"""What a run tells: figures on the terminal, in log.jsonl and in TensorBoard, and pictures."""

from pathlib import Path

import torch
from PIL import Image

from launch.engine import Engine
from launch.log import RunLog
from launch.processes import Processes, sum_over_processes
from launch.progress import ProgressLine
from launch.run_folder import device_name
from launch.skipped import SkippedSteps
from pretrain.config import PretrainConfig
from pretrain.cost import ForwardCost
from pretrain.data import PretrainBatch
from pretrain.meter import Interval, Meter, memory_gib, peak_flops
from pretrain.objective import TokenErrors, outside_view, trivial_errors
from pretrain.pictures import reconstruct, reconstruction_sheet
from pretrain.targets import Target
from video.ledger import Ledger

PICTURE_FILE = "reconstruction.png"


class Reporter:
    """Gathers a run's figures from all processes; the first one shows and writes them."""

    def __init__(
        self, config: PretrainConfig, folder: Path, processes: Processes, cost: ForwardCost,
        ledger: Ledger, skipped: SkippedSteps, steps: range,
    ) -> None:  # fmt: skip
        self._config, self._folder, self._processes = config, folder, processes
        self._cost, self._ledger, self._skipped = cost, ledger, skipped
        self._last = steps.stop
        self._peak = peak_flops(device_name(processes.device))
        self._progress = ProgressLine(steps) if processes.is_first else None
        self._log = RunLog(folder, steps.start, self.say) if processes.is_first else None

    def say(self, line: str) -> None:
        if self._progress:
            self._progress.say(line)

    def is_due(self, step: int) -> bool:
        every = self._config.log.every_steps
        return step == 1 or step % every == 0

    @property
    def counters(self) -> dict[str, int]:
        """What the run has counted up to the last report; goes on when the run does."""
        return {**self._ledger.counters, **self._skipped.counters}

    def saves_at(self, step: int) -> bool:
        return step % self._config.checkpoint.every_steps == 0 or step == self._last

    def doubts(self, step: int) -> bool:
        """Whether weights after a step may be broken, and the checkpoint before is the better."""
        return self._skipped.last == step and step != self._last

    def draws_at(self, step: int) -> bool:
        return step % self._config.log.pictures_every_steps == 0 or step == self._last

    def report(
        self, step: int, meter: Meter, engine: Engine, rates: tuple[float, float],
        batch: PretrainBatch, target: Target, errors: TokenErrors,
    ) -> None:  # fmt: skip
        """Reads the meter and writes the figures of a step; every process calls it.

        `rates` are learning rate and weight decay. Raises NonFinite and TooManyUnreadable on
        every process.
        """
        interval = meter.close_interval(engine.precision == "fp16")
        for skipped in interval.skipped:
            if not skipped.by_scale:
                self.say(f"warning: {skipped}; it was skipped")
        self._skipped.add(interval.skipped)
        if self.saves_at(step) and self.doubts(step):
            self.say(f"warning: there is no checkpoint of step {step}, which was skipped")
        parts = self._loss_parts(batch, target, errors)
        self._ledger.add("reads", interval.reads, interval.failures)
        if not (self._progress and self._log):
            return
        figures = {
            "loss/train": interval.loss,
            **parts,
            "optimizer/lr": rates[0],
            "optimizer/weight_decay": rates[1],
            "optimizer/grad_norm": engine.grad_norm,
            "optimizer/skipped": float(self._skipped.counters["skipped"]),
            **self._speed(interval),
            "data/unreadable": float(self._ledger.failures),
        }
        if engine.precision == "fp16":
            figures["optimizer/loss_scale"] = engine.loss_scale
            figures["optimizer/overflows"] = float(self._skipped.counters["overflows"])
        self._log.scalars(step, figures)
        self._progress.report(step, _terminal_line(figures))

    def _loss_parts(
        self, batch: PretrainBatch, target: Target, errors: TokenErrors
    ) -> dict[str, float]:
        """The loss of a step's last micro-batch by place, and that of the trivial predictor."""
        config = self._config
        darkness = config.target.field_of_view_darkness
        outside = outside_view(batch.clip, batch.decoded, config.encoder, darkness)
        trivial = trivial_errors(target.values, config.encoder.channels)
        chosen = {
            "loss/trivial": (trivial, errors.hidden),
            "loss/inside_view": (errors.error, errors.hidden & ~outside),
            "loss/outside_view": (errors.error, errors.hidden & outside),
        }
        sums = [
            part
            for values, where in chosen.values()
            for part in ((values * where).sum(), where.sum())
        ]
        totals = sum_over_processes(torch.stack([part.double() for part in sums])).view(-1, 2)
        means = (totals[:, 0] / totals[:, 1]).tolist()
        return dict(zip(chosen, means, strict=True))

    def _speed(self, interval: Interval) -> dict[str, float]:
        clips = interval.reads * self._config.data.clips_per_read / interval.seconds
        figures = {
            "speed/clips_per_second": clips,
            "speed/data_wait": interval.waiting,
            "speed/memory_gib": memory_gib(self._processes.device),
        }
        if self._peak:
            available = self._peak * self._processes.world_size
            figures["speed/mfu"] = clips * self._cost.training_flops / available
        return figures

    def advance(self, step: int) -> None:
        if self._progress:
            self._progress.advance(step)

    def draw(self, step: int, engine: Engine, clips: PretrainBatch) -> None:
        """Reconstructs clips for people to look at; every process calls it, as ZeRO 3 needs."""
        config = self._config
        views = reconstruct(engine.forward, clips, config.encoder, config.target)
        if not self._log:
            return
        sheet = reconstruction_sheet(
            views,
            visible_share=clips.visible.shape[1] / config.encoder.tokens,
            tubelet=config.encoder.tubelet,
            normalised=config.target.kind == "normalised_pixels",
            title=f"step {step}",
        )
        self._log.picture(step, "reconstruction", sheet)
        try:
            Image.fromarray(sheet).save(self._folder / PICTURE_FILE)
        except OSError as error:
            self.say(f"warning: {self._folder / PICTURE_FILE}: {error.strerror}")

    def close(self) -> None:
        if self._log:
            self._log.close()
        if self._progress:
            self._progress.close()


def _terminal_line(figures: dict[str, float]) -> str:
    line = (
        f"loss {figures['loss/train']:.4f} (trivial {figures['loss/trivial']:.3f})  "
        f"lr {figures['optimizer/lr']:.2e}  {figures['speed/clips_per_second']:.1f} clips/s  "
        f"data wait {figures['speed/data_wait']:.0%}"
    )
    counts = {"data/unreadable": "unreadable", "optimizer/skipped": "steps skipped"}
    for name, word in counts.items():
        line += f"  {figures[name]:.0f} {word}" if figures[name] else ""
    return line
