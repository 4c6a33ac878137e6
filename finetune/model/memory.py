"""Device memory of a classifier, measured on meta tensors."""

import copy
import math

import torch
from torch import Tensor

from encoder.patchify import per_channel
from encoder.rough_memory import rough_memory
from finetune.model.classifier import Classifier
from launch.capacity.model_memory import ModelMemory, measure_model_memory

PIXEL_BYTES = 16  # of a pixel's channel: a byte, and floats while it is normalised
MEASURED_CLIPS = 2  # from two on, memory is linear in the number of clips


def rough_classifier_memory(classifier: Classifier, segments: int) -> ModelMemory:
    """An estimate from above, in no time."""
    encoder = classifier.encoder.config
    blocks = rough_memory(
        encoder.tokens, encoder.embed_dim, encoder.num_heads, encoder.mlp_ratio, encoder.depth
    )
    parameters = sum(parameter.numel() for parameter in classifier.parameters())
    pixels = encoder.num_frames * math.prod(encoder.image_size) * encoder.channels
    return ModelMemory(parameters, 0, segments * (2 * blocks.activations + PIXEL_BYTES * pixels))


def classifier_memory(
    classifier: Classifier, segments: int, precision: str, on_gpu: bool, recompute: bool
) -> ModelMemory:
    """For clips of `segments` segments each; the classifier itself is not changed."""
    model = copy.deepcopy(classifier).to("meta")
    model.encoder.activation_checkpointing = recompute
    encoder = model.encoder.config

    def step() -> tuple[Tensor, ...]:
        size = (encoder.num_frames, *encoder.image_size, encoder.channels)
        clip = torch.zeros(MEASURED_CLIPS, segments, *size, dtype=torch.uint8)
        outputs = [value.float() for value in model(clip).values()]
        sum(value.logsumexp(-1).mean() for value in outputs).backward()
        return (clip, *outputs)

    per_channel.cache_clear()  # it would keep meta tensors
    try:
        return measure_model_memory(model, precision, MEASURED_CLIPS, step, on_gpu)
    finally:
        per_channel.cache_clear()
