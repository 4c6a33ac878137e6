"""What a run tells: figures on the terminal, in log.jsonl and in TensorBoard, and pictures."""

from pathlib import Path

import torch
from PIL import Image

from launch.engine import Engine
from launch.meter import Meter
from launch.processes import Processes, sum_over_processes
from launch.skipped import SkippedSteps
from launch.telling import Teller
from pretrain.completion.drawing import completion_sheet
from pretrain.completion.filling import complete
from pretrain.config import PretrainConfig
from pretrain.cost import ForwardCost
from pretrain.data import PretrainBatch
from pretrain.objective import TokenErrors, outside_view, trivial_errors
from pretrain.targets import Target
from video.ledger import Ledger

PICTURE_FILE = "reconstruction.png"


class Reporter:
    """Gathers a run's figures from all processes, for the first one to show and write."""

    def __init__(
        self, config: PretrainConfig, folder: Path, processes: Processes, cost: ForwardCost,
        ledger: Ledger, skipped: SkippedSteps, steps: range,
    ) -> None:  # fmt: skip
        self._config, self._folder, self._cost = config, folder, cost
        self._ledger, self._skipped, self._last = ledger, skipped, steps.stop
        self.teller = Teller(
            config.log.every_steps, config.checkpoint, folder, processes, skipped, steps
        )

    @property
    def counters(self) -> dict[str, int]:
        """What the run has counted up to the last report; goes on when the run does."""
        return {**self._ledger.counters, **self._skipped.counters}

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
        self.teller.count_skipped(step, interval)
        parts = self._loss_parts(batch, target, errors)
        self._ledger.add("reads", interval.reads, interval.failures)
        if not self.teller.speaks:
            return
        copies, flops = self._config.data.clips_per_read, self._cost.training_flops
        figures = {
            "loss/train": interval.loss,
            **parts,
            **self.teller.optimizer_figures(engine, rates),
            **self.teller.speed_figures(interval, copies, flops),
            "data/unreadable": float(self._ledger.failures),
        }
        losses = f"loss {interval.loss:.4f} (trivial {parts['loss/trivial']:.3f})"
        self.teller.write(step, figures, losses)

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

    def draw(self, step: int, engine: Engine, clips: PretrainBatch) -> None:
        """Reconstructs clips for people to look at; every process calls it, as ZeRO 3 needs."""
        config = self._config
        completion = complete(
            engine.forward, clips.clip, clips.visible, config.encoder, config.target,
            config.decoder.predicted_frames,
        )  # fmt: skip
        if not self.teller.speaks:
            return
        share = clips.visible.shape[1] / config.encoder.tokens
        sheet = completion_sheet(completion, share, f"step {step}")
        self.teller.picture(step, "reconstruction", sheet)
        try:
            Image.fromarray(sheet).save(self._folder / PICTURE_FILE)
        except OSError as error:
            self.teller.say(f"warning: {self._folder / PICTURE_FILE}: {error.strerror}")
