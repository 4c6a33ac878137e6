"""The planned memory of a run, beside what its process has taken of the GPU."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from math import isfinite

import torch

from benchmarks.gpu.figure import Figure, Setting, at_least, at_most, holds
from benchmarks.gpu.pretrain_run import (
    load,
    losses,
    pinned_batches,
    train_here,
    words,
)
from launch.capacity.zero_memory import device_memory
from launch.distributed.gpu_environment import visible_gpus
from launch.metrics.step_meter import memory_gib
from launch.run.environment import last_micro_batch
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train
from pretrain.planning.memory import autoencoder_memory

GIB = 2**30
LEAST, MOST = 1.0, 1.1  # planned, of what was taken
STEPS = 3
# A step with many divisors, so that the largest micro-batch comes close to what fits.
FULL_STEP, TINY_STEP = 2520, 8


def plan_base(setting: Setting) -> Iterator[Figure]:
    yield from _compared(setting, "base", "128", 128, stage=2, recompute=False)


def plan_large(setting: Setting) -> Iterator[Figure]:
    yield from _compared(setting, "large", "64", 64, stage=1, recompute=True)


def plan_largest(setting: Setting) -> Iterator[Figure]:
    """The micro-batch that a run takes for the largest that fits."""
    step = TINY_STEP if setting.is_dry else FULL_STEP
    yield from _compared(setting, "large", "auto", step, stage=1, recompute=False)


def _compared(
    setting: Setting, size: str, micro_batch: str, clips: int, stage: int, recompute: bool
) -> Iterator[Figure]:
    if setting.is_dry:
        size, micro_batch, clips = "tiny", micro_batch if micro_batch == "auto" else "4", 4
    others = _used_by_others(setting)
    config = load(
        words(
            setting,
            "run",
            size,
            clips,
            f"batch={{global_batch_size: {clips}, micro_batch_size: {micro_batch}}}",
            f"schedule={{steps: {STEPS}, epochs: null}}",
            f"engine={{zero_stage: {stage}, compile: false, "
            f"activation_checkpointing: {str(recompute).lower()}}}",
        )
    )
    taken_bytes = [0]
    train_here(
        config, lambda run: train(run._replace(batches=_watched(run, setting, others, taken_bytes)))
    )
    taken = last_micro_batch(setting.folder / "run") or 0
    label = f"{size}, {taken} clips, ZeRO {stage}"
    found = losses(setting.folder / "run")
    yield holds(f"{label}: it trains", all(map(isfinite, found)))
    used, planned = max(taken_bytes), _planned(setting, config, taken, stage, recompute)
    text = f"{label}: {planned / GIB:.1f} GiB planned, of {used / GIB:.1f} taken"
    yield Figure(text, planned / used, at_least(LEAST), "x", True)
    yield Figure(
        f"{label}: no more than {MOST - 1:.0%} above", planned / used, at_most(MOST), "x", True
    )


def _planned(
    setting: Setting, config: PretrainConfig, clips: int, stage: int, recompute: bool
) -> int:
    on_gpu = not setting.is_dry
    precision = "bf16" if on_gpu else "fp32"
    needed = autoencoder_memory(config, precision, recompute, on_gpu)
    return device_memory(
        needed, config.optimizer, stage, precision, 1, clips, offload=False, on_gpu=on_gpu
    ).total


def _watched(
    run: PretrainRun, setting: Setting, others: int, taken: list[int]
) -> Iterator[PretrainBatch]:
    """Adds to `taken` the bytes that the process has before each step."""
    for batch in pinned_batches(run, 1):
        taken.append(_taken(setting, others))
        yield batch


def _taken(setting: Setting, others: int) -> int:
    """Of the GPU: the allocator's blocks, CUDA's context and NCCL; on a CPU of the machine."""
    if setting.is_dry:
        return round(memory_gib(setting.device) * GIB)
    free, total = torch.cuda.mem_get_info(setting.device)
    return total - free - others


def _used_by_others(setting: Setting) -> int:
    """Bytes of the GPU before this process has a context; 0 where nvidia-smi does not say."""
    if setting.is_dry or not shutil.which("nvidia-smi"):
        return 0
    chosen = (visible_gpus(os.environ) or ["0"])[0]
    query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", f"--id={chosen}"]
    done = subprocess.run(["nvidia-smi", *query], capture_output=True, text=True)
    return int(done.stdout) * 2**20 if done.stdout.strip().isdigit() else 0
