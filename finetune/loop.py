"""The training loop."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from finetune.augment.mixup import mixup
from finetune.config import FinetuneConfig
from finetune.data.batches import FinetuneBatch, pair_rngs
from finetune.model.classifier import Classifier, training_mode
from finetune.model.losses import BuiltLoss
from finetune.reporter import FinetuneReporter
from launch.run.train_loop import Callbacks, LoggedStep, TrainingRun, train_steps


class FinetuneRun(NamedTuple):
    """What finetuning works with."""

    config: FinetuneConfig
    training: TrainingRun
    validation_steps: frozenset[int]
    model: Classifier  # that the engine trains
    num_classes: int
    batches: Iterator[FinetuneBatch]  # micro-batches of the remaining steps
    loss: BuiltLoss
    reporter: FinetuneReporter


def train(run: FinetuneRun, validate: Callable[[int], None]) -> None:
    """Trains through the remaining steps, with reports, checkpoints and validations.

    `validate(step)` evaluates the part `val` once the step is saved. Raises Stopped after a
    signal, once the state is saved, and the errors of the reporter and the saver. All processes
    raise after the same step.
    """
    engine = run.training.engine

    def loss(batch: FinetuneBatch) -> Tensor:
        clips, targets = clips_and_targets(run, batch)
        outputs = {name: value.float() for name, value in engine.forward(clips).items()}
        return run.loss.of_step(outputs, targets, batch.mean_weight)

    def report(step: LoggedStep) -> None:
        run.reporter.report(step.number, step.meter, engine, step.rates)

    def validate_and_continue(step: int) -> None:
        validate(step)
        training_mode(run.model)

    training_mode(run.model)
    train_steps(
        run.training,
        run.batches,
        Callbacks(
            loss,
            report,
            validation_steps=run.validation_steps,
            validate=validate_and_continue,
        ),
    )


def clips_and_targets(run: FinetuneRun, batch: FinetuneBatch) -> tuple[Tensor, Tensor]:
    """Bytes and labels; with mixup, pixels in 0..1 and the shares of the classes."""
    config = run.config
    if not config.mixup.on:
        return batch.clip, batch.label.to(run.training.engine.device, non_blocking=True)
    rngs = pair_rngs(batch.reads, config.data.clips_per_read, config.seed)
    # without smoothing: the loss applies it
    return mixup(batch.clip, batch.label, config.mixup, run.num_classes, 0.0, rngs)
