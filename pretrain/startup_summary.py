"""Lines that a run prints when it starts and when it ends."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from launch.distributed.device import device_name
from launch.distributed.process_group import Processes
from launch.metrics.jsonl_log import LOG_FILE
from launch.metrics.tensorboard_log import EVENTS_FOLDER
from launch.report.curves import read_curves
from launch.report.formatting import format_count
from launch.training.dataloader import excess_workers, oversized_batch
from launch.training.engine import Engine
from launch.training.lr_schedule import peak_learning_rate
from pretrain.config import PretrainConfig
from pretrain.data_config import PretrainDataConfig
from pretrain.flops import ForwardCost
from pretrain.initial_weights import InitialWeights
from pretrain.loss import FLAT_BASELINE
from pretrain.monitoring.monitor import IMAGE_FILE
from pretrain.sources import FAILURE_LOG_FILE, Sources, plans_of
from pretrain.targets.spec import values_per_token
from video.config import Sampling
from video.recording import Recording
from video.slow_recordings import slow_recordings

ENCODER_FILE = "encoder.safetensors"
FLAT_CLIPS = (
    "the clips are of one colour (constant baseline 0), so there is nothing to learn; look at the "
    "recordings with python -m video preview"
)


def describe_run(
    config: PretrainConfig,
    processes: Processes,
    engine: Engine,
    sources: Sources,
    cost: ForwardCost,
    steps: range,
    initial: InitialWeights,
    hosts: list[str],
) -> list[str]:
    """Model, target, hardware, data, batch and initial weights, one line each."""
    lines = [
        _model(config, cost),
        _target(config),
        _hardware(config, processes, engine, hosts),
        *_data(config, sources),
        *slow_sources(config.encoder.num_frames, sources.recordings, config.data),
        _batch(config, processes, engine, sources, steps),
        *excess_workers(config.data.workers),
        *oversized_batch(
            config.batch.global_batch_size,
            sources.sampler.reads_per_epoch * config.data.clips_per_read,
        ),
        _start(initial, steps),
    ]
    if sources.unusable:
        found = len(sources.recordings) + sources.unusable
        file = Path(config.run) / FAILURE_LOG_FILE
        lines.append(f"warning: {sources.unusable} of {found} recordings are unusable, see {file}")
    return lines


def describe_end(config: PretrainConfig, folder: Path, steps: int) -> list[str]:
    """The last loss of a complete run, and what to open."""
    files = {
        "encoder": folder / ENCODER_FILE,
        "reconstructions": folder / IMAGE_FILE,
    }
    events = folder / EVENTS_FOLDER
    return [
        f"complete: {format_count(steps, 'step')}; {_last_loss(config.loss.kind, folder)}",
        *(f"{name}: {file}" for name, file in files.items() if file.exists()),
        *([f"curves: tensorboard --logdir {events}"] if events.is_dir() else []),
    ]


def _last_loss(kind: str, folder: Path) -> str:
    """Beside the constant baseline of the same clips; also of a log that lacks one or both."""
    curves = read_curves(folder / LOG_FILE, warn=lambda text: None)
    loss, baseline = (curves.get(f"loss/{name}") for name in ("train", "constant_baseline"))
    if loss is None:
        return f"{folder / LOG_FILE} has no loss"
    text = f"{kind} loss {loss.last:.3f}"
    if baseline is None or baseline.steps[-1] != loss.steps[-1]:
        return text
    if baseline.last < FLAT_BASELINE:
        return f"{text}; {FLAT_CLIPS}"
    gap = f"{abs(1 - loss.last / baseline.last):.0%}"
    side = "below" if loss.last <= baseline.last else "above"
    return f"{text}, {gap} {side} that of the constant baseline ({baseline.last:.3f})"


def _model(config: PretrainConfig, cost: ForwardCost) -> str:
    counts = config.masking.counts(config.encoder.grid)
    grid = "x".join(map(str, config.encoder.grid))
    return (
        f"model: {config.encoder.size} encoder, width {config.encoder.embed_dim}, "
        f"{config.encoder.depth} blocks; {counts.tokens} tokens ({grid}), {counts.visible} "
        f"visible, {counts.decoded} decoded, {counts.loss} in the loss; "
        f"{cost.total / 1e9:.4g} GMAC per clip (forward)"
    )


def _target(config: PretrainConfig) -> str:
    width = values_per_token(config.target, config.encoder, config.decoder.predicted_frames)
    return f"target: {config.target.kind}, {width} values per token; loss: {config.loss.kind}"


def _hardware(
    config: PretrainConfig, processes: Processes, engine: Engine, hosts: list[str]
) -> str:
    count = "1 process"
    if len(hosts) > 1:
        nodes = ", ".join(f"{hosts.count(host)} on {host}" for host in dict.fromkeys(hosts))
        count = (
            f"{len(hosts)} processes ({processes.launcher}): {nodes}, master {processes.address}"
        )
    stage, precision = config.engine.zero_stage, engine.precision
    return f"hardware: {count}; {device_name(engine.device)}, ZeRO stage {stage}, {precision}"


def _data(config: PretrainConfig, sources: Sources) -> list[str]:
    per_read = config.data.clips_per_read
    total = (
        f"data: {format_count(len(sources.recordings), 'recording')}, {sources.hours:.2f} h, "
        f"{format_count(sources.sampler.reads_per_epoch, 'read')} per epoch, "
        f"{format_count(per_read, 'clip')} per read"
    )
    clips = [_clips(config, sources, name) for name in sources.plans]
    return [f"{total}; {clips[0]}"] if "" in sources.plans else [total, *clips]


def slow_sources(
    frames: int, recordings: Sequence[Recording], data: PretrainDataConfig
) -> list[str]:
    """Warnings on sources of which clips of so many frames repeat pictures."""
    lines = []
    for name, plan in plans_of(data).items():
        lines += slow_recordings(
            [recording for recording in recordings if recording.source == name],
            partial(_clip_times, frames, plan.sampling),
            f"{name}: " if name else "",
            f"lower {data.key_of(name, 'sampling')}.frame_rate, or give the true rate of folders "
            f"({data.key_of(name, 'folder_fps')})",
        )
    return lines


def _clip_times(frames: int, sampling: Sampling, fps: float) -> Float[np.ndarray, " t"]:
    return np.arange(frames) * sampling.step_seconds(fps)


def _clips(config: PretrainConfig, sources: Sources, name: str) -> str:
    """Length and frame rate of the clips of a source; the only one has an empty name."""
    frames, plan = config.encoder.num_frames, sources.plans[name]
    recordings = [recording for recording in sources.recordings if recording.source == name]
    steps = {round(plan.sampling.step_seconds(recording.fps), 6) for recording in recordings}
    stride = plan.sampling.stride
    rate = f"stride {stride}" if stride else f"{plan.sampling.wanted_rate:g} frames/s"
    seconds = "-".join(f"{frames * step:.2f}" for step in sorted({min(steps), max(steps)}))
    clips = f"clips of {frames} frames at {rate} = {seconds} s"
    if not name:
        return clips
    hours = sum(recording.shown_seconds for recording in recordings) / 3600
    count = format_count(len(recordings), "recording")
    return f"  {name}: {count}, {hours:.2f} h, {clips}, weight {plan.weight:g}"


def _batch(
    config: PretrainConfig, processes: Processes, engine: Engine, sources: Sources, steps: range
) -> str:
    clips, base = config.batch.global_batch_size, config.optimizer.base_lr
    epochs = steps.stop * clips / config.data.clips_per_read / sources.sampler.reads_per_epoch
    world = processes.world_size
    return (
        f"batch: {clips} clips per step = {config.batch.micro_batch_size} x {world} "
        f"process{'es' * (world > 1)} x {engine.accumulation} accumulated; peak learning rate "
        f"{base:g} x {clips} / 256 = {peak_learning_rate(config.optimizer, clips):.3g}; "
        f"{format_count(steps.stop, 'step')} = {epochs:.3g} epochs"
    )


def _start(initial: InitialWeights, steps: range) -> str:
    if initial.resumed is None:
        return initial.description
    if not steps:
        return (
            f"start: {initial.resumed.folder} is the last step of this run; raise schedule.steps "
            "to continue"
        )
    return f"{initial.description}; {format_count(len(steps), 'step')} left"
