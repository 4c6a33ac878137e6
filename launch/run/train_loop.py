"""The training loop of every stage: accumulation, logging, saving and stopping."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor

from launch.checkpoint.saver import Saver
from launch.distributed.signals import SignalState
from launch.distributed.watchdog import Watchdog
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import StepMeter
from launch.run.graceful_stop import GracefulStop
from launch.training.engine import Engine
from launch.training.micro_batch import MicroBatch

Batch = TypeVar("Batch", bound=MicroBatch)


@runtime_checkable
class Reporter(Protocol):
    """A stage's own metrics, on top of the logger that all stages share."""

    @property
    def logger(self) -> RunLogger: ...

    @property
    def counters(self) -> dict[str, int]: ...


class TrainingRun(NamedTuple):
    """What the loop needs of a run."""

    steps: range  # the remaining ones
    seed: int
    engine: Engine
    learning_rate: Callable[[int], float]
    weight_decay: Callable[[int], float]
    reporter: Reporter
    saver: Saver
    watchdog: Watchdog
    signals: SignalState
    find_loss: Callable[[], str]  # on rank 0, why the run folder is gone; "" if it is not


class LoggedStep(NamedTuple):
    """A step that is reported."""

    number: int  # counted from 1
    meter: StepMeter
    rates: tuple[float, float]  # learning rate and weight decay


@dataclass(frozen=True)
class Callbacks(Generic[Batch]):
    """What a stage does in the loop; every process makes the same calls."""

    loss: Callable[[Batch], Tensor]
    """The loss of a micro-batch."""
    report: Callable[[LoggedStep], None]
    """Called at steps that are logged or saved."""
    after_step: Callable[[int], None] = lambda step: None
    """Called after every step, before a checkpoint is saved; its time is none of the step's."""
    validation_steps: frozenset[int] = frozenset()
    """Steps that are saved and then validated."""
    validate: Callable[[int], None] = lambda step: None
    """Called when the checkpoint of a validation step is complete."""


def train_steps(
    run: TrainingRun,
    batches: Iterator[Batch],
    callbacks: Callbacks[Batch],
) -> None:
    """Trains through the remaining steps of a run.

    Raises Stopped after a signal, once the state is saved, and the errors of the callbacks and the
    saver. All processes raise after the same step.
    """
    engine, logger = run.engine, run.reporter.logger
    meter = StepMeter()
    stop = GracefulStop(
        run.saver,
        run.signals,
        run.watchdog,
        run.find_loss,
        run.steps.stop,
        deferred=engine.device.type == "cuda",
    )
    run.signals.training_begins()
    for step in run.steps:
        rates = run.learning_rate(step), run.weight_decay(step)
        done = step + 1
        for part in range(engine.accumulation):
            run.watchdog.set_status(f"step {done}, waiting for data")
            batch = next(batches)
            # dropout and drop path are functions of the micro-batch, whatever process computes it
            torch.manual_seed(run.seed + _micro_batch_number(step, part, engine))
            waited = run.watchdog.set_status(f"step {done}, computing")
            loss = callbacks.loss(batch)
            engine.backward(loss)
            engine.step(*rates)
            meter.add(loss, batch.recordings, batch.failures, waited)

        meter.end_step(done, engine.skipped)
        logger.update_progress(done)
        stops, validates = stop.poll(done), done in callbacks.validation_steps
        saves = stops or validates or logger.should_save(done)
        if saves or logger.should_log(done):
            callbacks.report(LoggedStep(done, meter, rates))
        with meter.paused():
            callbacks.after_step(done)
        saves = saves and not logger.is_suspect(done)
        stop.end_step(done, engine, run.reporter.counters, saves)
        if validates and saves:
            run.saver.finish()
            callbacks.validate(done)
            meter.restart()
    run.saver.close()


def _micro_batch_number(step: int, part: int, engine: Engine) -> int:
    """The number of a micro-batch of this process, in the order in which a run takes its reads."""
    return (step * engine.accumulation + part) * dist.get_world_size() + dist.get_rank()
