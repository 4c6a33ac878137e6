"""Implementations of a training step to compare: this project's and its competitors."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from benchmarks.baseline_mae import BaselineAutoencoder, Tokens
from encoder.block import compile_blocks
from encoder.config import EncoderConfig
from launch.config import BatchConfig, EngineConfig
from launch.distributed.malloc import disable_malloc_trim
from launch.distributed.process_group import Processes, init_process_group
from launch.training.engine import Engine
from launch.training.optimizer import AdamWConfig, parameter_groups
from masking import DualMasking
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.writers import huggingface_config
from pretrain.config import DecoderConfig, PretrainLogConfig
from pretrain.flops import forward_cost
from pretrain.loss import build_objective, hidden_tokens
from pretrain.loss_parts import batch_loss

INPUTS = 3  # batches, used cyclically
DUAL, ALL = DualMasking(), DualMasking(decoder=None)


class Task(NamedTuple):
    """The task of a training step, the same for all competitors of a table."""

    size: Any
    precision: Literal["fp32", "bf16"]
    clips: int
    device: torch.device
    custom: tuple[EncoderConfig, DecoderConfig] | None = None  # in place of those of `size`

    @property
    def configs(self) -> tuple[EncoderConfig, DecoderConfig]:
        return self.custom or (EncoderConfig(size=self.size), DecoderConfig(size=self.size))


class Inputs(NamedTuple):
    """Random clips, and masks drawn once."""

    clips: list[Tensor]  # bytes [b t h w c]
    visible: Tensor
    decoded: Tensor


Step = Callable[[int], None]  # takes the step number, which selects the clips


def inputs(task: Task, masking: DualMasking) -> Inputs:
    grid = task.configs[0].grid
    masks = masking.draw(grid, [np.random.default_rng(i) for i in range(task.clips)])
    visible, decoded = (torch.from_numpy(index).to(task.device) for index in masks)
    generator = torch.Generator(task.device).manual_seed(0)
    encoder = task.configs[0]
    shape = (task.clips, encoder.num_frames, *encoder.image_size, encoder.channels)
    clips = [
        torch.randint(0, 256, shape, dtype=torch.uint8, device=task.device, generator=generator)
        for _ in range(INPUTS)
    ]
    return Inputs(clips, visible, decoded)


def our_loss(
    model: Callable[..., Tensor], task: Task, data: Inputs, compiled: bool = False
) -> Callable[[int], Tensor]:
    """The loss of a run, with its parts, by the number of a step."""
    objective, darkness = build_objective(task.configs[0]), PretrainLogConfig().fov_darkness
    uncompiled = partial(batch_loss, objective, darkness)
    compare = torch.compile(uncompiled, dynamic=False) if compiled else uncompiled

    def loss(number: int) -> Tensor:
        clip = data.clips[number % INPUTS]
        prediction = model(clip, data.visible, data.decoded)
        return compare(prediction, clip, data.visible, data.decoded).loss

    return loss


def ours(task: Task, masking: DualMasking, compiled: bool = False) -> Step:
    """A loop without DeepSpeed. In bfloat16, with float32 master weights as DeepSpeed has."""
    configure_malloc(task)
    model = MaskedAutoencoder(*task.configs).to(task.device).train()
    if compiled:
        compile_blocks(model)
    is_bf16 = task.precision == "bf16"
    masters: list[Tensor] = list(model.parameters())
    if is_bf16:
        masters = [weight.detach().clone() for weight in masters]
        model.to(torch.bfloat16)
    weights: list[Tensor] = list(model.parameters())
    master_of = dict(zip(weights, masters, strict=True))
    groups = [
        {"params": [master_of[p] for p in group["params"]], "weight_decay": 0.05 * group["decays"]}
        for group in parameter_groups(model)
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True)
    loss = our_loss(model, task, inputs(task, masking), compiled)
    gradients = [torch.zeros_like(master) for master in masters] if is_bf16 else []

    def step(number: int) -> None:
        loss(number).backward()
        for master, gradient in zip(masters, gradients, strict=False):
            master.grad = gradient
        if is_bf16:
            torch._foreach_copy_(gradients, [w.grad for w in weights if w.grad is not None])
        optimizer.step()
        for weight in weights:
            weight.grad = None
        if is_bf16:
            torch._foreach_copy_([weight.data for weight in weights], masters)

    return step


def under_deepspeed(
    task: Task, masking: DualMasking, stage: int | None = None, compiled: bool = False
) -> Step:
    """With the engine of a run; the default `stage` is ZeRO 2 in bfloat16 and 0 in float32."""
    stage = 2 * (task.precision == "bf16") if stage is None else stage
    processes = Processes()
    init_process_group(processes, 600)
    model = MaskedAutoencoder(*task.configs).train()
    if compiled:
        compile_blocks(model)
    config = EngineConfig(zero_stage=stage, precision=task.precision)
    batch = BatchConfig(global_batch_size=task.clips, micro_batch_size=task.clips)
    engine = Engine(model, batch, AdamWConfig(), config, processes)
    loss = our_loss(engine.forward, task, inputs(task, masking), compiled)

    def step(number: int) -> None:
        engine.backward(loss(number))
        engine.step(1e-4, 0.05)

    return step


def baseline(task: Task, masking: DualMasking) -> Step:
    """The baseline; its clips are normalised beforehand, which is not timed."""
    data, (encoder, _) = inputs(task, masking), task.configs
    hidden = hidden_tokens(data.visible, encoder.tokens)
    decoded = torch.zeros_like(hidden).scatter_(1, data.decoded, True)
    clips = _normalised(data, encoder)
    model = BaselineAutoencoder(*task.configs)
    return _autocast_step(
        model, task, lambda number: model.loss(clips[number % INPUTS], Tokens(hidden, decoded))
    )


def transformers(task: Task, masking: DualMasking) -> Step:
    """Hugging Face's model, which always decodes all hidden tokens."""
    from transformers import VideoMAEConfig, VideoMAEForPreTraining

    data, (encoder, decoder) = inputs(task, masking), task.configs
    settings = huggingface_config(encoder, decoder)
    model = VideoMAEForPreTraining(VideoMAEConfig(**settings, attn_implementation="sdpa"))
    hidden = hidden_tokens(data.visible, encoder.tokens)
    clips = [rearrange(clip, "b c t h w -> b t c h w") for clip in _normalised(data, encoder)]
    return _autocast_step(
        model,
        task,
        lambda number: model(clips[number % INPUTS], bool_masked_pos=hidden).loss,
    )


def _normalised(data: Inputs, encoder: EncoderConfig) -> list[Tensor]:
    mean, std = torch.tensor(encoder.mean), torch.tensor(encoder.std)
    return [
        rearrange(((clip.cpu() / 255 - mean) / std), "b t h w c -> b c t h w").to(clip.device)
        for clip in data.clips
    ]


def _autocast_step(model: nn.Module, task: Task, loss: Callable[[int], Tensor]) -> Step:
    """Autocast, AdamW with its defaults, and the loss read by the host at every step."""
    model.to(task.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)

    def step(number: int) -> None:
        optimizer.zero_grad()
        with _autocast(task):
            value = loss(number)
        value.backward()
        optimizer.step()
        value.item()

    return step


def _autocast(task: Task) -> AbstractContextManager[Any]:
    if task.precision == "fp32":
        return nullcontext()
    return torch.autocast(task.device.type, torch.bfloat16)


def configure_malloc(task: Task) -> None:
    """Configures malloc on a CPU as a run does."""
    if task.device.type == "cpu":
        disable_malloc_trim()


class Competitor(NamedTuple):
    """A row of the table of results."""

    label: str
    masking: DualMasking
    make: Callable[[Task, DualMasking], Step]

    def flops(self, task: Task) -> int:
        """Operations of a step that its objective needs; redundant ones are not counted."""
        encoder, decoder = task.configs
        cost = forward_cost(encoder, decoder, self.masking.counts(encoder.grid))
        return cost.training_flops * task.clips


COMPETITORS = {
    "ours": Competitor("dual masking: this project", DUAL, ours),
    "ours-compiled": Competitor("  compiled", DUAL, partial(ours, compiled=True)),
    "ours-deepspeed": Competitor("  under DeepSpeed", DUAL, under_deepspeed),
    "ours-deepspeed-compiled": Competitor(
        "  under DeepSpeed, compiled", DUAL, partial(under_deepspeed, compiled=True)
    ),
    "baseline": Competitor("  baseline", DUAL, baseline),
    "ours-all": Competitor("all hidden tokens: this project", ALL, ours),
    "baseline-all": Competitor("  baseline", ALL, baseline),
    "transformers": Competitor("  transformers", ALL, transformers),
}
COMPILED = {
    "ours-compiled",
    "ours-deepspeed-compiled",
}  # minutes of compilation, for nothing on a CPU
DEFAULT_COMPETITORS = [
    name for name in COMPETITORS if name not in COMPILED or torch.cuda.is_available()
]
for _stage in (0, 1, 2):
    COMPETITORS[f"ours-zero-{_stage}"] = Competitor(
        f"  under DeepSpeed, ZeRO {_stage}", DUAL, partial(under_deepspeed, stage=_stage)
    )
