"""Device memory of the autoencoder's training step, counted on tensors without data."""

import torch
from torch import Tensor, nn

from encoder.patchify import per_channel
from encoder.rough_memory import rough_memory
from launch.capacity.model_memory import ModelMemory, measure_model_memory
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.loss import build_objective

VALUE_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
PIXEL_VALUES = 6  # of a clip, as bytes, floats and targets: each at most twice
MEASURED_CLIPS = 2  # from two clips on, memory grows linearly with their number


def rough_autoencoder_memory(config: PretrainConfig) -> ModelMemory | None:
    """An estimate from above, in no time; None where the target has a network of its own."""
    encoder, decoder = config.encoder, config.decoder
    counts = config.masking.counts(encoder.grid)
    if config.target.spec.macs(config.target, encoder, counts):
        return None
    frames, (height, width) = encoder.num_frames, encoder.image_size
    pixels = VALUE_BYTES["fp32"] * PIXEL_VALUES * frames * height * width * encoder.channels
    parts = [
        rough_memory(
            counts.visible,
            encoder.embed_dim,
            encoder.num_heads,
            encoder.mlp_ratio,
            encoder.depth,
        ),
        rough_memory(
            counts.visible + counts.decoded,
            decoder.embed_dim,
            decoder.num_heads,
            decoder.mlp_ratio,
            decoder.depth,
        ),
    ]
    ends = encoder.tubelet_values * (encoder.embed_dim + decoder.embed_dim)
    parameters = ends + sum(part.parameters for part in parts)
    return ModelMemory(parameters, 0, pixels + sum(part.activations for part in parts))


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
