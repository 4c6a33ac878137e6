"""What a classifier needs of a device's memory, counted on tensors without data."""

import copy

import torch
from torch import Tensor

from encoder.patchify import per_channel
from finetune.model.classifier import Classifier
from launch.capacity.model_memory import ModelMemory, measure_model_memory

MEASURED_CLIPS = 2  # from two on, memory grows evenly with the clips


def classifier_memory(
    classifier: Classifier, segments: int, precision: str, on_gpu: bool
) -> ModelMemory:
    """Of clips with so many segments each; the classifier itself is left as it is."""
    model = copy.deepcopy(classifier).to("meta")
    encoder = model.encoder.config

    def step() -> tuple[Tensor, ...]:
        size = (encoder.num_frames, *encoder.image_size, encoder.channels)
        clip = torch.zeros(MEASURED_CLIPS, segments, *size, dtype=torch.uint8)
        logits = model(clip).float()
        logits.logsumexp(-1).mean().backward()
        return clip, logits

    per_channel.cache_clear()  # it remembers tensors, which here are none
    try:
        return measure_model_memory(model, precision, MEASURED_CLIPS, step, on_gpu)
    finally:
        per_channel.cache_clear()
