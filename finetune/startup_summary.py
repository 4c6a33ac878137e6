"""The summary that a finetuning run prints when it starts, and when it is complete."""

from pathlib import Path

from encoder.checkpoint.load_report import describe_encoder
from finetune.config import FinetuneConfig
from finetune.data.datasets import LabelledSets
from finetune.data.samples import LabelledSamples
from finetune.model.build import BuiltModel
from finetune.model.classifier_file import CLASSIFIER_FILE, read_classifier_metadata
from launch.checkpoint.store import Checkpoint
from launch.distributed.device import device_name
from launch.metrics.tensorboard_log import EVENTS_FOLDER
from launch.report.formatting import format_count
from launch.run.session import Session
from launch.training.dataloader import excess_workers, oversized_batch
from launch.training.engine import Engine
from launch.training.lr_schedule import peak_learning_rate


def describe_run(
    config: FinetuneConfig,
    sets: LabelledSets,
    built: BuiltModel,
    engine: Engine,
    samples: LabelledSamples,
    resumed: Checkpoint | None,
    steps: range,
    session: Session,
) -> list[str]:
    """Model, processes, steps, validation and resumption, a line each."""
    hosts = session.watchdog.hosts
    lines = [
        *built.lines,
        _model(config, built),
        f"hardware: {len(hosts)} process{'es' * (len(hosts) > 1)} on "
        f"{', '.join(dict.fromkeys(hosts))}; {device_name(engine.device)}, ZeRO stage "
        f"{config.engine.zero_stage}, {engine.precision}",
        _step(config, samples, engine, steps, session.processes.world_size),
        *excess_workers(config.data.workers),
        *oversized_batch(config.batch.global_batch_size, len(samples) * config.data.clips_per_read),
    ]
    if "val" not in sets.parts:
        lines.append(
            "validation: none, the split has no val; the classifier is that of the last step"
        )
    if resumed is not None:
        what = "weights, optimizer state, step and data order"
        left = f"{format_count(len(steps), 'step')} left" if steps else "no steps left"
        lines.append(f"resume: {what} from {resumed.folder}; {left}")
    if steps and (tested := session.folder / "predictions_test.npz").exists():
        lines.append(
            f"warning: this run has evaluated test already ({tested}); if its best step changes, "
            "another evaluation is counted in `about`, and these predictions are kept"
        )
    return lines


def _model(config: FinetuneConfig, built: BuiltModel) -> str:
    parameters = list(built.model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    total = sum(p.numel() for p in parameters)
    return (
        f"model: {describe_encoder(built.spec.encoder)}; head {config.head.kind}, "
        f"{len(built.spec.classes)} classes; tuning {config.tuning.kind}: {trained / 1e6:.2f} of "
        f"{total / 1e6:.2f} M parameters are trained"
    )


def _step(
    config: FinetuneConfig, samples: LabelledSamples, engine: Engine, steps: range, processes: int
) -> str:
    clips, base = config.batch.global_batch_size, config.optimizer.base_lr
    epochs = steps.stop * clips / config.data.clips_per_read / len(samples)
    peak = peak_learning_rate(config.optimizer, clips)
    return (
        f"step: {clips} clips = {config.batch.micro_batch_size} per forward pass x {processes} "
        f"process{'es' * (processes > 1)} x {engine.accumulation} accumulated; peak learning rate "
        f"{base:g} x {clips} / 256 = {peak:.3g}; {steps.stop} steps = {epochs:.3g} epochs of "
        f"{len(samples):,} labelled samples"
    )


def describe_end(folder: Path) -> list[str]:
    """The results of a complete run in its folder."""
    metadata = read_classifier_metadata(folder / CLASSIFIER_FILE)
    chosen = "the last step, as there is no val"
    if best := metadata.validation:
        chosen = f"the best by val {best['metric']} {best['value']:.4f}"
    events = folder / EVENTS_FOLDER
    return [
        f"classifier: {folder / CLASSIFIER_FILE}, of step {metadata.step}, {chosen}",
        *([f"curves: tensorboard --logdir {events}"] if events.is_dir() else []),
    ]
