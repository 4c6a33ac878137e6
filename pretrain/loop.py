"""The training loop."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from launch.checkpoint.saver import Saver
from launch.distributed.signals import SignalState
from launch.distributed.watchdog import Watchdog
from launch.metrics.step_meter import StepMeter
from launch.run.graceful_stop import GracefulStop
from launch.training.engine import Engine
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loss import Objective
from pretrain.monitoring.monitor import TrainingMonitor
from pretrain.reporter import PretrainReporter


class PretrainRun(NamedTuple):
    """What a training loop works with."""

    config: PretrainConfig
    steps: range  # those still to do
    engine: Engine
    objective: Objective
    batches: Iterator[PretrainBatch]  # micro-batches of these steps, on the device
    learning_rate: Callable[[int], float]
    weight_decay: Callable[[int], float]
    reporter: PretrainReporter
    monitor: TrainingMonitor
    saver: Saver
    watchdog: Watchdog
    signals: SignalState


def train(run: PretrainRun) -> None:
    """Trains through the steps of a run, with its reports, looks and checkpoints.

    VideoMAE V2 (Wang et al., 2023), section 3: encode the visible tokens, decode the tokens of the
    running cells, and compare those that the encoder did not see with the pixels.

    Raises Stopped when a signal has asked for it and the state is saved, and what the reporter and
    the saver raise; all processes do so after the same step.
    """
    config, engine, reporter, logger = run.config, run.engine, run.reporter, run.reporter.logger
    meter, stopping = (
        StepMeter(),
        GracefulStop(run.saver, run.signals, run.watchdog, run.steps.stop),
    )
    run.signals.training_begins()
    for step in run.steps:
        # what drop path draws is a function of the step, so a resumed run draws the same
        torch.manual_seed(config.seed + step)
        rates = run.learning_rate(step), run.weight_decay(step)
        for _ in range(engine.accumulation):
            run.watchdog.set_status(f"step {step + 1}, waiting for data")
            batch = next(run.batches)
            waited = run.watchdog.set_status(f"step {step + 1}, computing")

            prediction = engine.forward(batch.clip, batch.visible, batch.decoded)
            target = run.objective.target.compute(batch.clip, batch.decoded)
            errors = run.objective.token_errors(prediction, target, batch.visible, batch.decoded)
            loss = errors.loss()
            engine.backward(loss)
            engine.step(*rates)
            meter.add(loss, batch.recordings, batch.failures, waited)

        done = step + 1
        meter.end_step(done, engine.skipped)
        logger.update_progress(done)
        stops = stopping.poll(done)
        saves = stops or logger.should_save(done)
        if saves or logger.should_log(done):
            reporter.report(done, meter, engine, rates, batch, target, errors)
        run.monitor.after_step(done, engine)
        saves = saves and not logger.is_suspect(done)
        stopping.end_step(done, engine, reporter.counters, saves)
    run.monitor.close()
    run.saver.close()
