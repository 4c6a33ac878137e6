"""What the autoencoder needs of a device's memory, counted on tensors without data."""

import torch
from torch import Tensor

from encoder.patchify import per_channel
from launch.capacity.model_memory import ModelMemory, measure_model_memory
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.loss import token_errors
from pretrain.targets import build_target

MEASURED_CLIPS = 2  # from two on, memory grows evenly with the clips


def autoencoder_memory(
    config: PretrainConfig, precision: str, recompute: bool, on_gpu: bool
) -> ModelMemory:
    """Counts parameters, and the bytes of a forward and backward pass on tensors without data."""
    with torch.device("meta"):
        model = MaskedAutoencoder(config.encoder, config.decoder, recompute)
    encoder, counts = config.encoder, config.masking.counts(config.encoder.grid)

    def step() -> tuple[Tensor, ...]:
        size = (encoder.num_frames, *encoder.image_size, encoder.channels)
        clip = torch.zeros(MEASURED_CLIPS, *size, dtype=torch.uint8)
        visible = torch.zeros(MEASURED_CLIPS, counts.visible, dtype=torch.int64)
        decoded = torch.zeros(MEASURED_CLIPS, counts.decoded, dtype=torch.int64)
        prediction = model(clip, visible, decoded)
        target = build_target(
            clip, decoded, encoder, config.target, config.decoder.predicted_frames
        )
        errors = token_errors(prediction, target.values, visible, decoded, encoder.tokens)
        loss = errors.loss()
        loss.backward()
        return clip, prediction, target.values, *target.statistics, *errors

    per_channel.cache_clear()  # it remembers tensors, which here are none
    try:
        return measure_model_memory(model, precision, MEASURED_CLIPS, step, on_gpu)
    finally:
        per_channel.cache_clear()
