"""The training loop."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from launch.run.train_loop import Callbacks, LoggedStep, TrainingRun, train_steps
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loss_parts import BatchLoss
from pretrain.monitoring.monitor import TrainingMonitor
from pretrain.reporter import PretrainReporter


class PretrainRun(NamedTuple):
    """What pretraining works with."""

    config: PretrainConfig
    training: TrainingRun
    batch_loss: Callable[[Tensor, Tensor, Tensor, Tensor], BatchLoss]  # of pretrain.loss_parts
    batches: Iterator[PretrainBatch]  # micro-batches of the remaining steps, on the device
    reporter: PretrainReporter
    monitor: TrainingMonitor


def train(run: PretrainRun) -> None:
    """Trains through the remaining steps, with reports, monitoring and checkpoints.

    VideoMAE V2 (Wang et al., 2023), section 3: encode the visible tokens, decode the tokens of the
    running cells, and compare those that the encoder did not see with the target.

    Raises Stopped after a signal, once the state is saved, and the errors of the reporter and the
    saver. All processes raise after the same step.
    """
    engine = run.training.engine

    def loss(batch: PretrainBatch) -> Tensor:
        prediction = engine.forward(batch.clip, batch.visible, batch.decoded)
        found = run.batch_loss(prediction, batch.clip, batch.visible, batch.decoded)
        run.reporter.loss_parts.add(found.sums, batch.recordings)
        return found.loss

    def report(step: LoggedStep) -> None:
        run.reporter.report(step.number, step.meter, engine, step.rates)

    def monitor(step: int) -> None:
        run.monitor.after_step(step, engine)

    train_steps(run.training, run.batches, Callbacks(loss, report, after_step=monitor))
    run.monitor.close()
