"""What the autoencoder needs of a device's memory, counted on tensors without data."""

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from encoder.tubelets import per_channel
from launch.memory import Footprint, peak_bytes
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import PretrainConfig
from pretrain.objective import token_errors
from pretrain.targets import build_target

MEASURED_CLIPS = 2  # from two on, memory grows evenly with the clips


def footprint(config: PretrainConfig, precision: str, recompute: bool, on_gpu: bool) -> Footprint:
    """Counts parameters, and the bytes of a forward and backward pass on tensors without data."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    with torch.device("meta"):
        model = MaskedAutoencoder(config.encoder, config.decoder, recompute).to(dtype)
    encoder, counts = config.encoder, config.masking.counts(config.encoder.grid)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tables = sum(buffer.numel() for buffer in model.buffers())

    def step() -> tuple[Tensor, ...]:
        _materialise(model)
        size = (encoder.frames, *encoder.image_size, encoder.channels)
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
    kernels = [SDPBackend.FLASH_ATTENTION] + ([] if on_gpu else [SDPBackend.MATH])
    try:
        with sdpa_kernel(kernels):
            peak = peak_bytes(step)
    finally:
        per_channel.cache_clear()
    value = dtype.itemsize
    activations = (peak - value * (parameters + tables)) // MEASURED_CLIPS
    return Footprint(parameters, value * tables, activations)


def _materialise(model: nn.Module) -> None:
    """Gives a model tensors whose life is counted; once."""
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not isinstance(parameter, FakeTensor):
                counted = nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype))
                counted.register_post_accumulate_grad_hook(_drop_gradient)
                setattr(module, name, counted)
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not isinstance(buffer, FakeTensor):
                setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _drop_gradient(parameter: Tensor) -> None:
    parameter.grad = None  # gradients are counted by stage
