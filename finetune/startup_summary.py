"""The lines that a finetuning run says of itself when it starts and when it is complete."""

from pathlib import Path

from encoder.checkpoint.load_report import describe_encoder
from finetune.config import FinetuneConfig
from finetune.data.datasets import LabelledSets
from finetune.data.samples import LabelledSamples
from finetune.model.build import BuiltModel
from finetune.model.classifier_file import CLASSIFIER_FILE, read_classifier_metadata
from launch.checkpoint.store import Checkpoint
from launch.distributed.process_group import device_name
from launch.metrics.run_log import EVENTS_FOLDER
from launch.run.session import Session
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
    opened: Session,
) -> list[str]:
    """What is trained on what, and from where; a line a subject."""
    hosts = opened.watchdog.hosts
    lines = [
        *built.lines,
        _model(config, built),
        f"on: {len(hosts)} process{'es' * (len(hosts) > 1)} on {', '.join(dict.fromkeys(hosts))}; "
        f"{device_name(engine.device)}, ZeRO stage {config.engine.zero_stage}, {engine.precision}",
        _step(config, samples, engine, steps, opened.processes.world_size),
    ]
    if "val" not in sets.parts:
        lines.append(
            "validation: the split has no val, so there is no best step: the last one is kept"
        )
    if resumed is not None:
        what = "weights, optimizer state, step and data order"
        left = f"{len(steps)} steps to do" if steps else "this is the end"
        lines.append(f"resume: {what} from {resumed.folder}; {left}")
    return lines


def _model(config: FinetuneConfig, built: BuiltModel) -> str:
    parameters = list(built.model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    total = sum(p.numel() for p in parameters)
    return (
        f"model: {describe_encoder(built.spec.encoder)}; head {config.head.kind}, "
        f"{len(built.spec.classes)} classes; mode {config.tuning.kind}: {trained / 1e6:.2f} of "
        f"{total / 1e6:.2f} M parameters are trained"
    )


def _step(
    config: FinetuneConfig, samples: LabelledSamples, engine: Engine, steps: range, processes: int
) -> str:
    clips, base = config.batch.global_batch_size, config.optimizer.base_lr
    epochs = steps.stop * clips / config.data.clips_per_read / len(samples)
    peak = peak_learning_rate(config.optimizer, clips)
    return (
        f"step: {clips} clips = {config.batch.micro_batch_size} x {processes} processes x "
        f"{engine.accumulation} accumulated, of {len(samples):,} labelled samples; learning rate "
        f"{base:g} x {clips} / 256 = {peak:.3g}; {steps.stop} steps = {epochs:.3g} epochs"
    )


def describe_end(folder: Path) -> list[str]:
    """What a complete run has left in its folder."""
    about = read_classifier_metadata(folder / CLASSIFIER_FILE)
    chosen = "the last step; there is no val to choose a better one by"
    if about.validation:
        chosen = f"the best by val {about.validation['metric']} {about.validation['value']:.4f}"
    return [
        f"classifier: {folder / CLASSIFIER_FILE}, of step {about.step}, {chosen}",
        f"curves: tensorboard --logdir {folder / EVENTS_FOLDER}",
    ]
