"""The training loop."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from launch.checkpoint.saver import Saver
from launch.distributed.signals import Interrupts
from launch.distributed.watchdog import Monitor
from launch.metrics.step_meter import Meter
from launch.run.graceful_stop import Stopping
from launch.training.engine import Engine
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loss import token_errors
from pretrain.monitoring.monitor import Looker
from pretrain.reporter import Reporter
from pretrain.targets import build_target


class Run(NamedTuple):
    """What a training loop works with."""

    config: PretrainConfig
    steps: range  # those still to do
    engine: Engine
    batches: Iterator[PretrainBatch]  # micro-batches of these steps, on the device
    learning_rate: Callable[[int], float]
    weight_decay: Callable[[int], float]
    reporter: Reporter
    looker: Looker
    saver: Saver
    monitor: Monitor
    interrupts: Interrupts


def train(run: Run) -> None:
    """Trains through the steps of a run, with its reports, looks and checkpoints.

    VideoMAE V2 (Wang et al., 2023), section 3: encode the visible tokens, decode the tokens of the
    running cells, and compare those that the encoder did not see with the pixels.

    Raises Stopped when a signal has asked for it and the state is saved, and what the reporter and
    the saver raise; all processes do so after the same step.
    """
    config, engine, reporter, teller = run.config, run.engine, run.reporter, run.reporter.teller
    predicted_frames = config.decoder.predicted_frames
    meter, stopping = Meter(), Stopping(run.saver, run.interrupts, run.monitor, run.steps.stop)
    run.interrupts.training_begins()
    for step in run.steps:
        # what drop path draws is a function of the step, so a resumed run draws the same
        torch.manual_seed(config.seed + step)
        rates = run.learning_rate(step), run.weight_decay(step)
        for _ in range(engine.accumulation):
            run.monitor.at(f"step {step + 1}, waiting for data")
            batch = next(run.batches)
            waited = run.monitor.at(f"step {step + 1}, computing")

            prediction = engine.forward(batch.clip, batch.visible, batch.decoded)
            target = build_target(
                batch.clip, batch.decoded, config.encoder, config.target, predicted_frames
            )
            errors = token_errors(
                prediction, target.values, batch.visible, batch.decoded, config.encoder.tokens
            )
            loss = errors.loss()
            engine.backward(loss)
            engine.step(*rates)
            meter.add(loss, batch.recordings, batch.failures, waited)

        done = step + 1
        meter.end_step(done, engine.skipped)
        teller.advance(done)
        stops = stopping.asked(done)
        saves = stops or teller.saves_at(done)
        if saves or teller.is_due(done):
            reporter.report(done, meter, engine, rates, batch, target, errors)
        run.looker.look(done, engine)
        saves = saves and not teller.doubts(done)
        stopping.end_step(done, engine, reporter.counters, saves)
    run.looker.close()
    run.saver.close()
