"""A finetuning run from its configuration to its classifier and its predictions."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from encoder.block import compile_blocks
from encoder.config import EncoderConfig
from finetune.config import FinetuneConfig
from finetune.data.datasets import FAILURE_LOG_FILE, FEW_SHOT_FILE, LabelledSets, open_datasets
from finetune.data.leaks import require_unseen
from finetune.data.sample_record import SAMPLES_FILE, require_same_samples, write_samples
from finetune.data.samples import LabelledSamples
from finetune.data.step_weights import open_weighted_batches
from finetune.inference.best_checkpoint import VALIDATION_FILE, ValidationHistory, validation_steps
from finetune.inference.evaluator import Evaluator
from finetune.loop import FinetuneRun, train
from finetune.model.build import FROZEN_FILE, NETWORK_FILE, BuiltModel, build, read_spec, rebuild
from finetune.model.classifier import Classifier, learning_rate_scale
from finetune.model.classifier_file import CLASSIFIER_FILE
from finetune.model.losses import build_loss
from finetune.model.memory import classifier_memory, rough_classifier_memory
from finetune.reporter import FinetuneReporter
from finetune.startup_summary import describe_end, describe_run
from launch.capacity.memory_check import Loading, MemoryCheck
from launch.capacity.model_memory import ModelMemory
from launch.checkpoint.loader import load_checkpoint, stored_shapes
from launch.checkpoint.saver import Saver
from launch.checkpoint.store import CHECKPOINTS_FOLDER, Checkpoint, find_checkpoint
from launch.distributed.process_group import (
    Processes,
    compute_on_rank0,
    destroy_process_group,
    run_on_rank0,
)
from launch.metrics.nonfinite import SkippedSteps
from launch.run.environment import MICRO_BATCH, last_micro_batch, record_start
from launch.run.graceful_stop import finish_on_error
from launch.run.run_layout import RunLayout
from launch.run.session import Session, session
from launch.run.train_loop import TrainingRun
from launch.training.compilation import choose_compile
from launch.training.engine import Engine
from launch.training.lr_schedule import build_schedules, remaining_steps, total_steps
from video.failure_log import FailureLog

PREDICTED = ("val", "test")
LAYOUT = RunLayout(
    (
        *(NETWORK_FILE, FROZEN_FILE, SAMPLES_FILE, FEW_SHOT_FILE, FAILURE_LOG_FILE),
        *(VALIDATION_FILE, "validation_removed.jsonl", CLASSIFIER_FILE),
        *(f"predictions_{part}.npz" for part in PREDICTED),
    ),
    tuple(f"evaluation_{part}" for part in PREDICTED),
)


def finetune(config: FinetuneConfig) -> None:
    """Starts or resumes a finetuning run; every process calls it."""
    with session(
        config.run, config, config.batch, config.engine, config.checkpoint, LAYOUT
    ) as run_session:
        sets = open_datasets(config, run_session.folder, run_session.processes)
        if config.tuning.spec.trains:
            run, evaluator = prepare(config, run_session, sets)
            with finish_on_error(run.training.saver, run.reporter.logger):
                train(run, evaluator.validate)
                evaluator.save_last(run.training.steps.stop)
            evaluator.test(run.reporter.logger.info)
            for line in describe_end(run_session.folder):
                run.reporter.logger.info(line)
            run.reporter.logger.close()
            close = run.training.engine.close
        else:
            built = build_model(config, sets, None, run_session.folder, run_session.processes)
            config.tuning.spec.classifier(config, run_session, sets, built)
            close = destroy_process_group
    close()


def prepare(
    config: FinetuneConfig, run_session: Session, sets: LabelledSets
) -> tuple[FinetuneRun, Evaluator]:
    """Builds the model, restores the newest checkpoint, and opens data, schedules and loggers."""
    folder, processes, notes = run_session.folder, run_session.processes, list(run_session.messages)
    checkpoints = folder / CHECKPOINTS_FOLDER
    resumed = find_checkpoint(checkpoints, processes, notes.append)
    built = build_model(config, sets, resumed, folder, processes)
    recorded = config
    config = fit_memory(config, built.model, processes, notes.append)
    engine = build_engine(config, built.model, resumed, processes, notes.append)
    encoder = built.spec.encoder
    data = config.data
    samples = LabelledSamples(sets.parts["train"], encoder, data.augmentation, data.clips_per_read)
    per_epoch = len(samples) * data.clips_per_read / config.batch.global_batch_size
    last = total_steps(config.schedule, per_epoch)
    steps = remaining_steps(config.schedule, resumed.step if resumed else 0, last)

    counters = resumed.counters if resumed else {}
    reporter = _reporter(config, run_session, encoder, counters, steps)
    described = describe_run(config, sets, built, engine, samples, resumed, steps, run_session)
    for line in (*notes, *sets.lines, *described):
        reporter.logger.info(line)
    if processes.is_rank0:
        facts = {"weights": built.spec.weights, MICRO_BATCH: config.batch.micro_batch}
        for warning in record_start(folder, recorded, processes, steps, **facts):
            reporter.logger.info(warning)
    validates = "val" in sets.parts
    validated_steps = (
        validation_steps(config.validation, last, per_epoch) if validates else frozenset()
    )
    loss = build_loss(config.loss, samples.counts(len(sets.classes)))
    training = TrainingRun(
        steps,
        config.seed,
        engine,
        *build_schedules(config.optimizer, config.schedule, config.batch.global_batch_size, last),
        reporter,
        Saver(checkpoints, processes, config.checkpoint, reporter.logger.info),
        run_session.watchdog,
        run_session.signals,
        run_session.find_loss,
    )
    run = FinetuneRun(
        config,
        training,
        validated_steps,
        built.model,
        len(sets.classes),
        open_weighted_batches(config, samples, loss, processes, steps, engine.accumulation),
        loss,
        reporter,
    )
    history = ValidationHistory(folder, steps.start, config.validation)
    evaluator = Evaluator(config, run_session, sets, built, engine, reporter, history)
    if steps.start in validated_steps and not history.has(steps.start):
        evaluator.validate(steps.start)  # the run was stopped between saving and validation
    return run, evaluator


def _reporter(
    config: FinetuneConfig,
    run_session: Session,
    encoder: EncoderConfig,
    counters: dict[str, int],
    steps: range,
) -> FinetuneReporter:
    folder, processes = run_session.folder, run_session.processes
    failure_log_file = folder / FAILURE_LOG_FILE if processes.is_rank0 else None
    failure_log = FailureLog(failure_log_file, config.data.max_unreadable, counters)
    checkpoints = folder / CHECKPOINTS_FOLDER
    skipped = SkippedSteps(config.engine.max_nonfinite_steps, checkpoints, counters)
    return FinetuneReporter(config, encoder, folder, processes, failure_log, skipped, steps)


def build_model(
    config: FinetuneConfig,
    sets: LabelledSets,
    resumed: Checkpoint | None,
    folder: Path,
    processes: Processes,
) -> BuiltModel:
    """The initial model. Refuses test recordings that its encoder was pretrained on."""
    if resumed is not None:
        if read_spec(folder).classes == sets.classes:  # else all labels have other numbers
            run_on_rank0(processes, lambda: require_same_samples(folder, sets))
        return rebuild(config, sets.classes, sets.checksum, folder, stored_shapes(resumed))
    built = build(config, sets.classes, sets.checksum, folder, processes)
    parts = {part: sets.recordings(part) for part in sets.parts}
    pretrained_on, allow_similar = built.spec.pretrained_on, config.data.allow_similar
    warnings = compute_on_rank0(
        processes, lambda: require_unseen(parts, pretrained_on, allow_similar)
    )
    run_on_rank0(processes, lambda: write_samples(folder, sets))
    return built._replace(lines=[*built.lines, *warnings])


def fit_memory(
    config: FinetuneConfig, model: Classifier, processes: Processes, log: Callable[[str], None]
) -> FinetuneConfig:
    """The configuration with values in place of `auto`, as memory allows; every process calls it.

    Raises ConfigError where memory does not suffice.
    """
    encoder, data = model.encoder.config, config.data
    clip_bytes = config.segments * encoder.num_frames * math.prod(encoder.image_size)

    def measure(precision: str, recompute: bool, on_gpu: bool) -> ModelMemory:
        return classifier_memory(model, config.segments, precision, on_gpu, recompute)

    pairs = 2 if config.mixup.on else 1  # samples that are mixed
    memory = MemoryCheck(
        config.engine,
        config.optimizer,
        config.batch,
        processes,
        Loading(clip_bytes * encoder.channels, pairs * data.clips_per_read, data.workers),
        rough_classifier_memory(model, config.segments),
        measure,
        compute_on_rank0(processes, lambda: last_micro_batch(Path(config.run))),
    )
    return replace(config, **memory.choose(log)._asdict())


def build_engine(
    config: FinetuneConfig,
    model: Classifier,
    resumed: Checkpoint | None,
    processes: Processes,
    log: Callable[[str], None],
) -> Engine:
    """The engine with the recipe's learning rates, and the state of a checkpoint."""
    tuning, depth = config.tuning, model.encoder.config.depth

    def scale(name: str) -> float:
        return learning_rate_scale(name, depth, tuning.layer_decay, tuning.backbone_lr_scale)

    model.encoder.activation_checkpointing = config.engine.activation_checkpointing is True
    if choose_compile(config.engine, processes.device, log):
        compile_blocks(model)
    engine = Engine(model, config.batch, config.optimizer, config.engine, processes, scale)
    if resumed is not None:
        load_checkpoint(resumed, engine)
    return engine
