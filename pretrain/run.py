"""A pretraining run from its configuration to its encoder file."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from encoder.block import compile_blocks
from encoder.checkpoint.native_format import load_strictly, save_encoder
from encoder.mlp_width import shapes_of, with_stored_width
from launch.capacity.memory_check import Loading, MemoryCheck
from launch.checkpoint.loader import load_checkpoint, read_weights
from launch.checkpoint.saver import WRITE_ERRORS, Saver
from launch.checkpoint.store import (
    CHECKPOINTS_FOLDER,
    checkpoint_name,
    open_checkpoint,
)
from launch.distributed.process_group import Processes, compute_on_rank0, run_on_rank0
from launch.errors import ConfigError
from launch.metrics.nonfinite import SkippedSteps
from launch.run.environment import MICRO_BATCH, last_micro_batch, record_start
from launch.run.graceful_stop import finish_on_error
from launch.run.run_layout import RunLayout
from launch.run.session import Session, session
from launch.run.train_loop import TrainingRun
from launch.training.compilation import choose_compile
from launch.training.engine import Engine
from launch.training.lr_schedule import build_schedules, remaining_steps, total_steps
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.data import open_batches
from pretrain.flops import ForwardCost, forward_cost
from pretrain.initial_weights import InitialWeights, resolve_initial_weights
from pretrain.loop import PretrainRun, train
from pretrain.loss import build_objective
from pretrain.loss_parts import batch_loss
from pretrain.monitoring.features import FeatureProbe
from pretrain.monitoring.monitor import IMAGE_FILE, TrainingMonitor
from pretrain.planning.memory import autoencoder_memory, rough_autoencoder_memory
from pretrain.reporter import PretrainReporter
from pretrain.source_changes import (
    EXCLUDED_FILE,
    FAILURE_LOG_FILE,
    MANIFEST_FILE,
    ROWS_DIGEST,
)
from pretrain.sources import Sources, open_sources
from pretrain.startup_summary import ENCODER_FILE, describe_end, describe_run
from video.changes import CHANGED, contents_now, describe_changes
from video.failure_log import FailureLog
from video.manifest import rows_digest
from video.near_duplicates.fingerprint import within_header

LAYOUT = RunLayout(
    (MANIFEST_FILE, EXCLUDED_FILE, FAILURE_LOG_FILE, IMAGE_FILE, ENCODER_FILE),
)


def pretrain(config: PretrainConfig) -> None:
    """Starts or resumes a pretraining run; every process of the run calls it."""
    with session(
        config.run, config, config.batch, config.engine, config.checkpoint, LAYOUT
    ) as opened:
        folder, processes = opened.folder, opened.processes
        sources = open_sources(config, folder, processes)
        run = prepare(config, opened, sources)
        with finish_on_error(run.training.saver, run.reporter.logger):
            train(run)
        opened.watchdog.set_status("writing the encoder")
        last = run.training.steps.stop
        report = run.reporter.logger.info
        run_on_rank0(processes, lambda: export_encoder(config, folder, sources, last, report))
        if processes.is_rank0:
            for line in describe_end(config, folder, run.training.steps.stop):
                run.reporter.logger.info(line)
        run.reporter.logger.close()
        engine = run.training.engine
    engine.close()


def fit_memory(
    config: PretrainConfig, processes: Processes, report: Callable[[str], None]
) -> PretrainConfig:
    """The configuration with values in place of `auto`, as memory allows; every process calls it.

    `report` takes lines to print. Raises ConfigError where memory does not suffice.
    """
    encoder, data = config.encoder, config.data
    clip_bytes = encoder.num_frames * math.prod(encoder.image_size) * encoder.channels
    memory = MemoryCheck(
        config.engine,
        config.optimizer,
        config.batch,
        processes,
        Loading(clip_bytes, data.clips_per_read, data.workers),
        rough_autoencoder_memory(config),
        partial(autoencoder_memory, config),
        compute_on_rank0(processes, lambda: last_micro_batch(Path(config.run))),
    )
    return replace(config, **memory.choose(report)._asdict())


def build_engine(
    config: PretrainConfig,
    processes: Processes,
    initial: InitialWeights,
    compiles: bool,
) -> Engine:
    """The autoencoder with its initial weights, under DeepSpeed."""
    torch.manual_seed(config.seed)
    recompute = config.engine.activation_checkpointing is True
    model = MaskedAutoencoder(config.encoder, config.decoder, config.target, recompute)
    if initial.weights is not None and config.init_from is not None:
        load_strictly(model, initial.weights, config.init_from)
    if compiles:
        compile_blocks(model)
    engine = Engine(model, config.batch, config.optimizer, config.engine, processes)
    if initial.resumed is not None:
        load_checkpoint(initial.resumed, engine)
    return engine


def prepare(config: PretrainConfig, opened: Session, sources: Sources) -> PretrainRun:
    """Builds the model, restores a checkpoint, and opens data, schedules, logs and monitoring."""
    folder, processes, notes = opened.folder, opened.processes, list(opened.messages)
    opened.watchdog.set_status("choosing the clips for monitoring")
    probe = FeatureProbe(config, sources, processes)
    opened.watchdog.set_status("building the model")
    initial = resolve_initial_weights(config, folder, processes, notes.append)
    recorded = config.with_stored_widths(initial.shapes)
    config = fit_memory(recorded, processes, notes.append)
    compiles = choose_compile(config.engine, processes.device, notes.append)
    engine = build_engine(config, processes, initial, compiles)
    frames = config.decoder.predicted_frames
    objective = build_objective(
        config.encoder, config.target, config.loss, frames, engine.device, config.seed
    )
    loss = partial(batch_loss, objective, config.log.fov_darkness)
    compared = torch.compile(loss, dynamic=False) if compiles else loss
    reads_per_step = config.batch.global_batch_size // config.data.clips_per_read
    last = total_steps(config.schedule, sources.sampler.reads_per_epoch / reads_per_step)
    steps = remaining_steps(config.schedule, initial.step, last)

    counts = config.masking.counts(config.encoder.grid)
    cost = forward_cost(config.encoder, config.decoder, counts, config.target)
    counters = initial.resumed.counters if initial.resumed else {}
    reporter = _reporter(config, opened, sources, cost, counters, steps)
    described = describe_run(
        config, processes, engine, sources, cost, steps, initial, opened.watchdog.hosts
    )
    for line in (*notes, *sources.notes, *described):
        reporter.logger.info(line)
    if processes.is_rank0:
        rows = rows_digest(sources.recordings)
        facts = {
            "manifest_sha256": sources.manifest_sha256,
            ROWS_DIGEST: rows,
            MICRO_BATCH: config.batch.micro_batch,
        }
        for warning in record_start(folder, recorded, processes, steps, **facts):
            reporter.logger.info(warning)
    batches, fixed_clips = open_batches(config, sources, processes, steps, engine.accumulation)
    schedules = build_schedules(
        config.optimizer, config.schedule, config.batch.global_batch_size, last
    )
    checkpoints = folder / CHECKPOINTS_FOLDER
    saver = Saver(checkpoints, processes, config.checkpoint, reporter.logger.info)
    monitor = TrainingMonitor(config, objective, opened, reporter.logger, fixed_clips, probe, steps)
    training = TrainingRun(
        steps,
        config.seed,
        engine,
        *schedules,
        reporter,
        saver,
        opened.watchdog,
        opened.signals,
        opened.find_loss,
    )
    return PretrainRun(config, training, compared, batches, reporter, monitor)


def _reporter(
    config: PretrainConfig,
    opened: Session,
    sources: Sources,
    cost: ForwardCost,
    counters: dict[str, int],
    steps: range,
) -> PretrainReporter:
    folder, processes = opened.folder, opened.processes
    failure_log_file = folder / FAILURE_LOG_FILE if processes.is_rank0 else None
    failure_log = FailureLog(failure_log_file, config.data.max_unreadable, counters)
    checkpoints = folder / CHECKPOINTS_FOLDER
    skipped = SkippedSteps(config.engine.max_nonfinite_steps, checkpoints, counters)
    return PretrainReporter(config, folder, processes, cost, failure_log, skipped, steps, sources)


def export_encoder(
    config: PretrainConfig,
    folder: Path,
    sources: Sources,
    step: int,
    report: Callable[[str], None],
) -> None:
    """Writes the encoder of a checkpoint with the metadata that finetuning needs.

    A recording that changed while the run trained is listed with both contents, and told to
    `report`.
    """
    changed = contents_now(sources.recordings)
    if changed:
        described = describe_changes({CHANGED: [recording.path for recording in changed]})
        report(f"warning: {described} while the run trained; {ENCODER_FILE} lists both contents")
    checkpoint = open_checkpoint(folder / CHECKPOINTS_FOLDER / checkpoint_name(step))
    prefix = "encoder."
    tensors = {
        name.removeprefix(prefix): tensor
        for name, tensor in read_weights(checkpoint).items()
        if name.startswith(prefix)
    }
    encoder = with_stored_width(config.encoder, shapes_of(tensors), "")
    sampling = {
        name: {"frame_rate": plan.sampling.wanted_rate, "stride": plan.sampling.stride}
        for name, plan in sources.plans.items()
    }
    file = folder / ENCODER_FILE
    try:
        save_encoder(
            file,
            tensors,
            encoder,
            step=checkpoint.step,
            recordings=within_header([each.identity() for each in (*sources.recordings, *changed)]),
            manifest_sha256=sources.manifest_sha256,
            sampling=sampling,
        )
    except WRITE_ERRORS as error:
        raise ConfigError(
            f"run: {file} cannot be written ({error}); free space and run the same command again"
        ) from None
