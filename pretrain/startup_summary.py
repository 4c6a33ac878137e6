"""The lines that a run says of itself when it starts."""

import math
from pathlib import Path

from launch.distributed.process_group import Processes, device_name
from launch.metrics.run_log import EVENTS_FOLDER, read_log
from launch.training.engine import Engine
from launch.training.lr_schedule import peak_learning_rate
from pretrain.config import PretrainConfig
from pretrain.flops import ForwardCost
from pretrain.initial_weights import InitialWeights
from pretrain.monitoring.monitor import PICTURE_FILE
from pretrain.sources import FAILURE_LOG_FILE, Sources

ENCODER_FILE = "encoder.safetensors"


def describe_run(
    config: PretrainConfig,
    processes: Processes,
    engine: Engine,
    sources: Sources,
    cost: ForwardCost,
    steps: range,
    beginning: InitialWeights,
    hosts: list[str],
) -> list[str]:
    """What runs, on what, and from where; a line a subject."""
    lines = [
        _model(config, cost),
        _where(config, processes, engine, hosts),
        *_data(config, sources),
        _batch(config, processes, engine, sources, steps),
        _beginning(beginning, steps),
    ]
    if sources.unusable:
        found = len(sources.recordings) + sources.unusable
        file = Path(config.run) / FAILURE_LOG_FILE
        lines.append(
            f"warning: {sources.unusable} of {found} recordings cannot be used, see {file}"
        )
    return lines


def describe_end(folder: Path) -> list[str]:
    """What a complete run has left in its folder."""
    last = [line for line in read_log(folder) if "loss/constant_baseline" in line][-1]
    loss, baseline = last.get("loss/train", math.nan), last.get("loss/constant_baseline", math.nan)
    gap = f"{abs(1 - loss / baseline):.0%} {'below' if loss <= baseline else 'above'}"
    return [
        f"complete: {last['step']} steps, loss {loss:.3f}, {gap} the constant baseline's "
        f"{baseline:.3f}",
        f"encoder: {folder / ENCODER_FILE}",
        f"pictures: {folder / PICTURE_FILE}",
        f"curves: tensorboard --logdir {folder / EVENTS_FOLDER}",
    ]


def _model(config: PretrainConfig, cost: ForwardCost) -> str:
    counts = config.masking.counts(config.encoder.grid)
    grid = "x".join(map(str, config.encoder.grid))
    return (
        f"model: {config.encoder.size} encoder, {config.encoder.embed_dim} wide, "
        f"{config.encoder.depth} blocks; grid {grid} = {counts.tokens} tokens, {counts.visible} "
        f"visible, {counts.decoded} decoded, {counts.loss} in the loss; "
        f"{cost.total / 1e9:.2f} GMAC a clip forward"
    )


def _where(config: PretrainConfig, processes: Processes, engine: Engine, hosts: list[str]) -> str:
    nodes = ", ".join(f"{hosts.count(host)} on {host}" for host in dict.fromkeys(hosts))
    several = f"es ({processes.launcher}), {nodes}, meeting at {processes.address}"
    return (
        f"on: {len(hosts)} process{several if len(hosts) > 1 else ''}; "
        f"{device_name(engine.device)}, ZeRO stage {config.engine.zero_stage}, {engine.precision}"
    )


def _data(config: PretrainConfig, sources: Sources) -> list[str]:
    total = (
        f"data: {len(sources.recordings)} recordings, {sources.hours:.2f} h, "
        f"{sources.sampler.reads_per_epoch} reads an epoch, {config.data.clips_per_read} "
        f"clip{'s' * (config.data.clips_per_read > 1)} a read; "
    )
    frames, clips = config.encoder.num_frames, []
    for name, plan in sources.plans.items():
        mine = [recording for recording in sources.recordings if recording.source == name]
        steps = {round(plan.sampling.step_seconds(recording.fps), 6) for recording in mine}
        stride = plan.sampling.stride
        rate = f"stride {stride}" if stride else f"{plan.sampling.wanted_rate:g} frames/s"
        span = "-".join(f"{frames * step:.2f}" for step in sorted({min(steps), max(steps)}))
        clips.append(f"clips of {frames} frames at {rate} = {span} s")
        if name:
            hours = sum(recording.seconds for recording in mine) / 3600
            clips[-1] = f"  {name}: {len(mine)} recordings, {hours:.2f} h, " + clips[-1]
            clips[-1] += f", weight {plan.weight:g}"
    return [total + clips[0]] if "" in sources.plans else [total.rstrip("; "), *clips]


def _batch(
    config: PretrainConfig, processes: Processes, engine: Engine, sources: Sources, steps: range
) -> str:
    clips, base = config.batch.global_batch_size, config.optimizer.base_lr
    epochs = steps.stop * clips / config.data.clips_per_read / sources.sampler.reads_per_epoch
    return (
        f"step: {clips} clips = {config.batch.micro_batch_size} x {processes.world_size} processes "
        f"x {engine.accumulation} accumulated; learning rate {base:g} x {clips} / 256 = "
        f"{peak_learning_rate(config.optimizer, clips):.3g}; "
        f"{steps.stop} steps = {epochs:.3g} epochs"
    )


def _beginning(beginning: InitialWeights, steps: range) -> str:
    if beginning.resumed is None:
        return beginning.description
    if not steps:
        return f"start: {beginning.resumed.folder} is the end; raise schedule.steps to go on"
    return f"{beginning.description}; {len(steps)} steps to do"
