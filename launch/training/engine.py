"""Training steps under DeepSpeed."""

import gc
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from launch.config import BatchConfig, EngineConfig
from launch.distributed.malloc import disable_malloc_trim
from launch.distributed.process_group import Processes, destroy_process_group
from launch.errors import ConfigError
from launch.training.deepspeed_config import build_deepspeed_config, compiler_disabled
from launch.training.deepspeed_private import (
    SCALER_STATE,
    global_grad_norm,
    has_overflowed,
    import_deepspeed,
    loss_scaler,
    skip_norm_check,
    update_model_weights,
)
from launch.training.optimizer import OptimizerConfig, build_optimizer
from launch.training.zero_shards import Fragment, owned_fragments, step_counters

# The weights that ZeRO 3 gathers come in blocks of many sizes; above this malloc returns them.
GATHERED_BLOCK_BYTES = 8 * 2**20
CLIP_EPS = 1e-6  # the value in PyTorch and DeepSpeed


def micro_batches_per_step(batch: BatchConfig, processes: Processes) -> int:
    """Gradient accumulation steps; raises ConfigError where the batch cannot be divided.

    With `auto`, as many as there would be with micro-batches of one clip.
    """
    at_once = processes.world_size
    at_once *= 1 if batch.micro_batch_size == "auto" else batch.micro_batch_size
    if batch.global_batch_size % at_once:
        raise ConfigError(
            f"batch.global_batch_size: {batch.global_batch_size} is not a multiple of "
            f"batch.micro_batch_size {batch.micro_batch_size} x {processes.world_size} processes; "
            f"set it to {max(1, round(batch.global_batch_size / at_once)) * at_once}, or change "
            "batch.micro_batch_size"
        )
    return batch.global_batch_size // at_once


def resolve_precision(config: EngineConfig, device: torch.device) -> str:
    """`auto` is bf16 on a GPU, and float32 on a CPU or at ZeRO stage 0."""
    if config.precision != "auto":
        return config.precision
    return "bf16" if device.type == "cuda" and config.zero_stage != 0 else "fp32"


class Engine:
    """A model under DeepSpeed ZeRO: forward, backward, step, and the state to save.

    Gradients are accumulated over `accumulation` calls of `backward`; the `step` after the last of
    them updates the weights. Every process makes the same calls. `scale` maps the name of a
    parameter to a factor of its learning rate.
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
        deepspeed = import_deepspeed(processes.device)
        if config.zero_stage == 3 and processes.device.type == "cpu":
            disable_malloc_trim(GATHERED_BLOCK_BYTES)
        self.device = processes.device
        self.stage = config.stage
        self.accumulation = micro_batches_per_step(batch, processes)
        self.precision = resolve_precision(config, self.device)
        self._grad_norm: Tensor | float | None = None
        self.skipped: Tensor | bool = False  # whether the last step updated nothing
        deepspeed.init_distributed(verbose=False)
        if self.precision == "fp16" and not deepspeed.get_accelerator().is_fp16_supported():
            raise ConfigError(
                "engine.precision: this device does not support fp16; set it to fp32 or bf16"
            )
        self._optimizer_config, self._clip_norm = optimizer, config.clip_grad_norm
        # else DeepSpeed clips and skips, and waits for the device
        self._clips_itself = self.stage == 0 or (
            optimizer.clips_on_device
            and not config.offload_optimizer
            and self.stage < 3
            and self.precision != "fp16"
        )
        base_optimizer = build_optimizer(model, optimizer, config, scale)
        if self._clips_itself:
            on_device = optimizer.clips_on_device
            hook = self._clip_on_device if on_device else self._clip_on_host
            base_optimizer.register_step_pre_hook(hook)
        values = sum(parameter.numel() for parameter in model.parameters())
        settings = build_deepspeed_config(
            batch, config, values, self.accumulation, self.precision, self._clips_itself
        )
        # in bf16 DeepSpeed prints its memory at every stage
        with redirect_stdout(io.StringIO()), compiler_disabled():
            self._engine, self._optimizer, _, _ = deepspeed.initialize(
                model=model.to(self.device),
                optimizer=base_optimizer,
                config=settings,
                dist_init_required=False,
            )
        if self._clips_itself:
            skip_norm_check(self._optimizer)

    def _clip_on_device(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Lets the optimizer's kernel clip, and skip a gradient that is not finite.

        Otherwise the host would wait for the device at every step.
        """
        found = self._grad_norm if self.stage == 0 else global_grad_norm(self._optimizer)
        norm = torch.as_tensor(found, device=self.device)
        optimizer.found_inf = (~torch.isfinite(norm)).float()
        if self._clip_norm is not None:
            optimizer.grad_scale = ((norm + CLIP_EPS) / self._clip_norm).clamp(min=1)

    def _clip_on_host(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """The same at stage 0 for an optimizer whose kernel cannot do it."""
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        norm = torch.as_tensor(self._grad_norm)
        if not torch.isfinite(norm):
            for parameter in parameters:
                parameter.grad = None
        elif self._clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip_norm, norm)

    @property
    def model(self) -> nn.Module:
        """The model; every process must make the same calls of it and of its parts."""
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

        A gradient that is not finite updates nothing and sets `skipped`, on every process, because
        all have the same norm.
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
            self._grad_norm = global_grad_norm(self._optimizer)
        if self._clips_itself:
            self.skipped = ~torch.isfinite(torch.as_tensor(self._grad_norm))
        else:
            self.skipped = has_overflowed(self._optimizer)

    @property
    def grad_norm(self) -> float:
        """Norm of the last step's gradient before clipping. Waits for the device."""
        return float("nan") if self._grad_norm is None else float(self._grad_norm)

    def fragments(self) -> list[Fragment]:
        """The state that this process owns; call `load_scalars` after writing to it."""
        model, config = self._engine.module, self._optimizer_config
        return owned_fragments(model, self._optimizer, config, self.stage)

    @property
    def is_replicated(self) -> bool:
        """Whether all processes own the same fragments, so that one of them saves."""
        return self.stage == 0

    @property
    def loss_scale(self) -> float:
        """The factor of the loss that keeps gradients in fp16 from vanishing."""
        return float(loss_scaler(self._optimizer).cur_scale) if self.precision == "fp16" else 1.0

    def scalars(self) -> dict[str, float]:
        """The state that is not in fragments: the count of updates, and the scaler of the loss."""
        scalars = dict[str, float]()
        if self._optimizer_config.counts_steps:
            counters = step_counters(self._optimizer)
            scalars["optimizer_steps"] = int(counters[0][1]) if counters else 0
        if self.precision == "fp16":
            scaler = loss_scaler(self._optimizer)
            scalars |= {name: getattr(scaler, name) for name in SCALER_STATE}
        return scalars

    def load_scalars(self, scalars: dict[str, float]) -> None:
        """Makes written fragments, with what `scalars` returned, the state of the run."""
        for state, value in step_counters(self._optimizer):
            if isinstance(value, Tensor):
                value.fill_(scalars["optimizer_steps"])
            else:
                state["step"] = int(scalars["optimizer_steps"])
        if self.precision == "fp16":
            for name in SCALER_STATE:
                setattr(loss_scaler(self._optimizer), name, scalars[name])
        update_model_weights(self._engine.module, self._optimizer, self.stage)

    def close(self) -> None:
        """Leaves the process group; nothing can be called afterwards."""
        dist.barrier()
        self._engine.destroy()
        self._engine = self._optimizer = None
        gc.collect()
        destroy_process_group()
