"""Every ZeRO stage trains alike, and a step whose loss is not finite changes nothing."""

import os
from collections.abc import Iterator
from typing import Any, Literal

import torch

from benchmarks.competitors import DUAL, Task, inputs, our_loss
from benchmarks.gpu.figure import Figure, Setting, at_most, holds
from benchmarks.gpu.pretrain_run import TINY
from launch.config import BatchConfig, EngineConfig
from launch.distributed.process_group import Processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import AdamWConfig
from pretrain.autoencoder import MaskedAutoencoder

STEPS, DRY_STEPS, CLIPS = 20, 6, 4
# by precision: the ZeRO stages, and the largest relative difference of a loss
COMPARED: dict[Literal["fp32", "bf16"], tuple[tuple[int, ...], float]] = {
    "fp32": ((0, 1, 2, 3), 1e-6),
    "bf16": ((1, 2, 3), 1e-3),
}


def compare_stages(setting: Setting) -> Iterator[Figure]:
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read at the first product
    torch.use_deterministic_algorithms(True)  # with warn_only attention is not
    init_process_group(Processes(), 600)
    steps = DRY_STEPS if setting.is_dry else STEPS
    for precision, (stages, limit) in COMPARED.items():
        task = Task("tiny", precision, CLIPS, setting.device, TINY)
        expected: list[float] = []
        for stage in stages:
            found, skipped, change = _train(task, stage, steps)
            expected = expected or found
            name = f"ZeRO {stage} in {precision}"
            error = max(abs(a / b - 1) for a, b in zip(found, expected, strict=True))
            if stage != stages[0]:
                yield Figure(f"{name}: losses, from those of {stages[0]}", error, at_most(limit))
            is_right = skipped == [steps // 2] and change == 0
            yield holds(f"{name}: the NaN step is skipped, and it alone", is_right)
            yield Figure(f"{name}: the last loss, of the first", found[-1] / found[0], at_most(1))


def _train(task: Task, stage: int, steps: int) -> tuple[list[float], list[int], float]:
    """Losses of the good steps, the steps that were skipped, and the change by the bad one.

    The one in the middle is bad.
    """
    torch.manual_seed(0)
    model = MaskedAutoencoder(*task.configs).train()
    config = EngineConfig(zero_stage=stage, precision=task.precision)
    batch = BatchConfig(global_batch_size=task.clips, micro_batch_size=task.clips)
    engine = Engine(model, batch, AdamWConfig(), config, Processes())
    loss = our_loss(engine.forward, task, inputs(task, DUAL))
    losses, skipped, change = [], [], 0.0
    for step in range(1, steps + 1):
        is_bad = step == steps // 2
        value = loss(step)
        before = _state(engine) if is_bad else {}
        engine.backward(value * float("nan") if is_bad else value)
        engine.step(1e-3, 0.05)
        if bool(engine.skipped):
            skipped.append(step)
        if is_bad:
            after = _state(engine)
            change = max(float((after[key] - before[key]).abs().max()) for key in before)
        else:
            losses.append(float(value.detach()))
    return losses, skipped, change


def _state(engine: Engine) -> dict[str, Any]:
    """Copies of the float32 weights and of the optimizer's states."""
    return {
        f"{key}/{fragment.name}": tensor.detach().clone()
        for fragment in engine.fragments()
        for key, tensor in fragment.tensors.items()
    }
