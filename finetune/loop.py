"""The training loop."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from finetune.augment.mixup import mixup
from finetune.config import FinetuneConfig
from finetune.data.batches import FinetuneBatch, pair_rngs
from finetune.model.classifier import Classifier, training_mode
from finetune.model.losses import Loss
from finetune.reporter import FinetuneReporter
from launch.checkpoint.saver import Saver
from launch.distributed.signals import SignalState
from launch.distributed.watchdog import Watchdog
from launch.metrics.step_meter import StepMeter
from launch.run.graceful_stop import GracefulStop
from launch.training.engine import Engine


class FinetuneRun(NamedTuple):
    """What a training loop works with."""

    config: FinetuneConfig
    steps: range  # those still to do
    validating: frozenset[int]  # steps after which the part `val` is looked at
    engine: Engine
    model: Classifier  # that the engine trains
    num_classes: int
    batches: Iterator[FinetuneBatch]  # micro-batches of these steps
    loss: Loss
    learning_rate: Callable[[int], float]
    weight_decay: Callable[[int], float]
    reporter: FinetuneReporter
    saver: Saver
    watchdog: Watchdog
    signals: SignalState


def train(run: FinetuneRun, validate: Callable[[int], None]) -> None:
    """Trains through the steps of a run, with its reports, checkpoints and validations.

    `validate(step)` looks at the part `val` once the step is saved. Raises Stopped when a signal
    has asked for it and the state is saved, and what the reporter and the saver raise; all
    processes do so after the same step.
    """
    config, engine, reporter, logger = run.config, run.engine, run.reporter, run.reporter.logger
    meter, stopping = (
        StepMeter(),
        GracefulStop(run.saver, run.signals, run.watchdog, run.steps.stop),
    )
    run.signals.training_begins()
    training_mode(run.model)
    for step in run.steps:
        # what dropout and drop path draw is a function of the step, also in a run that goes on
        torch.manual_seed(config.seed + step)
        rates = run.learning_rate(step), run.weight_decay(step)
        for _ in range(engine.accumulation):
            run.watchdog.set_status(f"step {step + 1}, waiting for data")
            batch = next(run.batches)
            waited = run.watchdog.set_status(f"step {step + 1}, computing")

            clips, targets = clips_and_targets(run, batch)
            outputs = {name: value.float() for name, value in engine.forward(clips).items()}
            loss = run.loss(outputs, targets)
            engine.backward(loss)
            engine.step(*rates)
            meter.add(loss, batch.recordings, batch.failures, waited)

        done = step + 1
        meter.end_step(done, engine.skipped)
        logger.update_progress(done)
        stops, validates = stopping.poll(done), done in run.validating
        saves = stops or validates or logger.should_save(done)
        if saves or logger.should_log(done):
            reporter.report(done, meter, engine, rates)
        saves = saves and not logger.is_suspect(done)
        stopping.end_step(done, engine, reporter.counters, saves)
        if validates and saves:
            run.saver.finish()
            validate(done)
            training_mode(run.model)
            meter.restart()
    run.saver.close()


def clips_and_targets(run: FinetuneRun, batch: FinetuneBatch) -> tuple[Tensor, Tensor]:
    """Bytes and labels, or, where clips are mixed, pixels in 0..1 and shares."""
    config = run.config
    if not config.mixup.on:
        return batch.clip, batch.label.to(run.engine.device, non_blocking=True)
    rngs = pair_rngs(batch, config.data.clips_per_read, config.seed)
    # without smoothing: the loss applies it
    return mixup(batch.clip, batch.label, config.mixup, run.num_classes, 0.0, rngs)
