"""Training steps under DeepSpeed: the only module that knows it."""

import gc
import io
import logging
import os
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from launch.config import BatchConfig, EngineConfig, OptimizerConfig
from launch.distributed.malloc import disable_malloc_trim
from launch.distributed.process_group import Processes, destroy_process_group
from launch.errors import ConfigError
from launch.training.deepspeed_config import build_deepspeed_config, compiler_disabled
from launch.training.optimizer import build_optimizer
from launch.training.zero_shards import (
    Fragment,
    owned_fragments,
    step_counters,
    update_model_weights,
)

GATHERED_BLOCK_BYTES = (
    8 * 2**20
)  # bytes: blocks of ZeRO 3 from here on, of gathered weights, are of all sizes
CLIP_EPS = 1e-6  # as torch and DeepSpeed clip
SCALER = ("cur_scale", "cur_iter", "last_overflow_iter", "cur_hysteresis")  # DeepSpeed's, of fp16


def micro_batches_per_step(batch: BatchConfig, processes: Processes) -> int:
    """How often gradients are accumulated; raises ConfigError where the step cannot be split."""
    at_once = batch.micro_batch_size * processes.world_size
    if batch.global_batch_size % at_once:
        raise ConfigError(
            f"batch.global_batch_size: {batch.global_batch_size} is not a multiple of "
            f"batch.micro_batch_size {batch.micro_batch_size} x {processes.world_size} processes; "
            f"take {max(1, round(batch.global_batch_size / at_once)) * at_once}, or another "
            "batch.micro_batch_size"
        )
    return batch.global_batch_size // at_once


def resolve_precision(config: EngineConfig, device: torch.device) -> str:
    """`auto` is bf16 on a GPU, but float32 on a CPU and at ZeRO stage 0."""
    if config.precision != "auto":
        return config.precision
    return "bf16" if device.type == "cuda" and config.zero_stage > 0 else "fp32"


class Engine:
    """A model under DeepSpeed ZeRO: forward, backward, step, and the state to save.

    Gradients are accumulated over `accumulation` calls of `backward`; `step` after the last of
    them updates the weights. Every process makes the same calls. `scale` is by what the learning
    rate of a parameter, by its name, is multiplied.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: BatchConfig,
        optimizer: OptimizerConfig,
        config: EngineConfig,
        processes: Processes,
        scale: Callable[[str], float] = lambda name: 1.0,
    ) -> None:
        deepspeed = _import_deepspeed(processes.device)
        if config.zero_stage == 3 and processes.device.type == "cpu":
            disable_malloc_trim(GATHERED_BLOCK_BYTES)
        self.device = processes.device
        self.stage = config.zero_stage
        self.accumulation = micro_batches_per_step(batch, processes)
        self.precision = resolve_precision(config, self.device)
        self._grad_norm: Tensor | float | None = None
        self.skipped: Tensor | bool = False  # whether the last step was
        deepspeed.init_distributed(verbose=False)
        if self.precision == "fp16" and not deepspeed.get_accelerator().is_fp16_supported():
            raise ConfigError(
                "engine.precision: fp16 cannot be had on this device; take fp32 or bf16"
            )
        updates = build_optimizer(model, optimizer, config, scale)
        self._optimizer_clips = not config.offload_optimizer and (
            self.stage == 0 or (self.stage < 3 and self.precision != "fp16")
        )
        self._clip_norm = config.clip_grad_norm
        if self._optimizer_clips:
            updates.register_step_pre_hook(self._clip_and_skip)
        values = sum(parameter.numel() for parameter in model.parameters())
        # its memory at every stage, in bf16
        with redirect_stdout(io.StringIO()), compiler_disabled():
            self._engine, self._optimizer, _, _ = deepspeed.initialize(
                model=model.to(self.device),
                optimizer=updates,
                config=build_deepspeed_config(
                    batch, config, values, self.accumulation, self.precision, self._optimizer_clips
                ),
                dist_init_required=False,
            )

    def _clip_and_skip(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Lets AdamW's kernel clip, and leave all as it is where the gradient is not finite.

        It does so without the host, which else would wait for the device at every step.
        """
        found = self._grad_norm if self.stage == 0 else self._optimizer._global_grad_norm
        norm = torch.as_tensor(found, device=self.device)
        optimizer.found_inf = (~torch.isfinite(norm)).float()
        if self._clip_norm is not None:
            optimizer.grad_scale = ((norm + CLIP_EPS) / self._clip_norm).clamp(min=1)

    @property
    def model(self) -> nn.Module:
        """What is trained; a part of it may be called, by every process alike."""
        return self._engine.module

    def forward(self, *inputs: Tensor) -> Any:
        return self._engine(*inputs)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of one micro-batch, weighted by 1 / `accumulation`.

        A loss that is not finite makes all gradients not finite, on every process.
        """
        self._engine.backward(loss * torch.where(torch.isfinite(loss), 1.0, torch.nan))

    def step(self, learning_rate: float, weight_decay: float) -> None:
        """Ends a micro-batch; after the last one of a step, updates the weights.

        Where the gradient is not finite nothing is updated, and `skipped` says so. That is the
        same on every process, for the norm of the gradient is.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate * group["scale"]
            group["weight_decay"] = weight_decay if group["decays"] else 0.0
        last = self._engine.is_gradient_accumulation_boundary()
        if last and self.stage == 0:
            gradients = [p.grad for p in self._engine.module.parameters() if p.grad is not None]
            self._grad_norm = torch.nn.utils.get_total_norm(gradients)
        self._engine.step()
        if not last:
            return
        if self.stage > 0:
            self._grad_norm = self._engine.get_global_grad_norm()
        if self._optimizer_clips:
            self.skipped = ~torch.isfinite(torch.as_tensor(self._grad_norm))
        else:
            self.skipped = self._optimizer.overflow

    @property
    def grad_norm(self) -> float:
        """Norm of the last step's gradient before clipping. Waits for the device."""
        return float("nan") if self._grad_norm is None else float(self._grad_norm)

    def fragments(self) -> list[Fragment]:
        """The state that this process owns; see `load_scalars` after writing to it."""
        return owned_fragments(self._engine.module, self._optimizer, self.stage)

    @property
    def is_replicated(self) -> bool:
        """True where all processes hold the same fragments, so that one of them saves."""
        return self.stage == 0

    @property
    def loss_scale(self) -> float:
        """What DeepSpeed multiplies the loss with, so that gradients in fp16 do not vanish."""
        return float(self._scaler.cur_scale) if self.precision == "fp16" else 1.0

    @property
    def _scaler(self) -> Any:
        return self._optimizer.loss_scaler

    def scalars(self) -> dict[str, float]:
        """State beside the fragments: AdamW's count of updates, and the scaler of the loss."""
        counters = step_counters(self._optimizer)
        scalars: dict[str, float] = {"optimizer_steps": int(counters[0][1]) if counters else 0}
        if self.precision == "fp16":
            scalars |= {name: getattr(self._scaler, name) for name in SCALER}
        return scalars

    def load_scalars(self, scalars: dict[str, float]) -> None:
        """Makes written fragments, with what `scalars` has said, the state of the run."""
        for state, value in step_counters(self._optimizer):
            if isinstance(value, Tensor):
                value.fill_(scalars["optimizer_steps"])
            else:
                state["step"] = int(scalars["optimizer_steps"])
        if self.precision == "fp16":
            for name in SCALER:
                setattr(self._scaler, name, scalars[name])
        update_model_weights(self._engine.module, self._optimizer, self.stage)

    def close(self) -> None:
        """Leaves the process group; nothing can be called afterwards."""
        dist.barrier()
        self._engine.destroy()
        self._engine = self._optimizer = None
        gc.collect()
        destroy_process_group()


def _import_deepspeed(device: torch.device) -> Any:
    warnings.filterwarnings("ignore", category=FutureWarning)
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if device.type == "cpu":
        # Inference alone uses it, but the first start would compile it, for minutes.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
