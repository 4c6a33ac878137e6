"""The training loop."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from launch.checkpoints.saving import save_checkpoint
from launch.engine import Engine
from launch.processes import Processes
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.meter import Meter
from pretrain.objective import token_errors
from pretrain.report import Reporter
from pretrain.targets import build_target
from video.ledger import Ledger


class Run(NamedTuple):
    """What a training loop works with."""

    config: PretrainConfig
    processes: Processes
    checkpoints: Path
    steps: range  # those still to do
    engine: Engine
    batches: Iterator[PretrainBatch]  # micro-batches of these steps
    fixed_clips: PretrainBatch  # drawn again and again
    learning_rate: Callable[[int], float]
    weight_decay: Callable[[int], float]
    reporter: Reporter
    ledger: Ledger


def train(run: Run) -> None:
    """Trains through the steps of a run, with its reports, pictures and checkpoints.

    VideoMAE V2 (Wang et al., 2023), section 3: encode the visible tokens, decode the tokens of the
    running cells, and compare those that the encoder did not see with the pixels.
    """
    config, engine, reporter = run.config, run.engine, run.reporter
    meter = Meter()
    for step in run.steps:
        # what drop path draws is a function of the step, so a resumed run draws the same
        torch.manual_seed(config.seed + step)
        rates = run.learning_rate(step), run.weight_decay(step)
        for _ in range(engine.accumulation):
            began = time.perf_counter()
            batch = next(run.batches).to(engine.device)
            waited = time.perf_counter() - began

            prediction = engine.forward(batch.clip, batch.visible, batch.decoded)
            target = build_target(batch.clip, batch.decoded, config.encoder, config.target)
            errors = token_errors(
                prediction, target.values, batch.visible, batch.decoded, config.encoder.tokens
            )
            loss = errors.loss()
            engine.backward(loss)
            engine.step(*rates)
            meter.add(step + 1, loss, batch, waited)

        done = step + 1
        reporter.advance(done)
        if reporter.is_due(done):
            reporter.report(done, meter, engine, rates, batch, target, errors)
        if reporter.draws_at(done):
            reporter.draw(done, engine, run.fixed_clips)
        if reporter.saves_at(done):
            keep = config.checkpoint.keep_last
            counters = run.ledger.counters
            save_checkpoint(run.checkpoints, done, engine, run.processes, keep, counters)
