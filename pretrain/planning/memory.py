"""Device memory of the autoencoder's training step, counted on tensors without data."""

import torch
from torch import Tensor, nn

from encoder.patchify import per_channel
from launch.capacity.model_memory import ModelMemory, measure_model_memory
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.loss import build_objective

VALUE_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
MEASURED_CLIPS = 2  # from two clips on, memory grows linearly with their number


def autoencoder_memory(
    config: PretrainConfig, precision: str, recompute: bool, on_gpu: bool
) -> ModelMemory:
    """Counts parameters, and the bytes of a forward and backward pass."""
    encoder, frames = config.encoder, config.decoder.predicted_frames
    objective = build_objective(encoder, config.target, config.loss, frames)
    with torch.device("meta"):
        model = MaskedAutoencoder(encoder, config.decoder, config.target, recompute)
    counts = config.masking.counts(encoder.grid)

    def step() -> tuple[Tensor, ...]:
        size = (encoder.num_frames, *encoder.image_size, encoder.channels)
        clip = torch.zeros(MEASURED_CLIPS, *size, dtype=torch.uint8)
        visible = torch.zeros(MEASURED_CLIPS, counts.visible, dtype=torch.int64)
        decoded = torch.zeros(MEASURED_CLIPS, counts.decoded, dtype=torch.int64)
        prediction = model(clip, visible, decoded)
        target = objective.target.compute(clip, decoded)
        errors = objective.token_errors(prediction, target, visible, decoded)
        loss = errors.loss()
        loss.backward()
        return clip, prediction, target.values, *(target.statistics or ()), *errors

    module = objective.target.module
    parts = nn.ModuleList([model] if module is None else [model, module.to("meta")])
    per_channel.cache_clear()  # it may hold tensors, which have no data here
    try:
        measured = measure_model_memory(parts, precision, MEASURED_CLIPS, step, on_gpu)
    finally:
        per_channel.cache_clear()
    # a target's module has neither gradients nor optimizer states: it counts as a buffer
    frozen = sum(each.numel() for each in module.parameters()) if module is not None else 0
    return ModelMemory(
        measured.parameters - frozen,
        measured.buffers + VALUE_BYTES[precision] * frozen,
        measured.activations,
    )
