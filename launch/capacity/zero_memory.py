"""What a training step keeps in the memory of one device under ZeRO."""

from typing import NamedTuple

from launch.capacity.model_memory import ModelMemory
from launch.training.deepspeed_config import GATHER_BUCKET, REDUCE_BUCKET

FREE = 0.05  # share of a device's memory that is left alone
# Measured: PyTorch, DeepSpeed and the video libraries with their buffers, beside the model.
CPU_PROGRAM = 900 * 2**20
# Assumed: CUDA's context, NCCL's buffers and what the allocator cannot use.
GPU_PROGRAM = 2 * 2**30
WHOLE_BUCKET = 500_000_000  # values that DeepSpeed sums at a time where it shares no gradients


class DeviceMemory(NamedTuple):
    """Bytes on one device at the peak of a step."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    copies: int  # made after the activations are gone; what they take more than these
    program: int

    @property
    def total(self) -> int:
        return sum(self)


class _Sizes(NamedTuple):
    """Bytes of the state of a model under DeepSpeed, whatever its activations."""

    weights: int
    gathered: int  # weights of other devices, while one computes
    gradients: int
    optimizer: int
    copies: int  # of gradients, where they are summed and where the weights are updated


def device_memory(
    footprint: ModelMemory,
    stage: int,
    precision: str,
    world_size: int,
    micro_batch: int,
    offload: bool,
    on_gpu: bool,
) -> DeviceMemory:
    """The peak of a step under DeepSpeed, by what ZeRO shares among the devices.

    ZeRO (Rajbhandari et al., SC 2020), section 5: stage 1 shares AdamW's moments and the float32
    weights, 2 the gradients as well, 3 the weights as well, which it gathers to compute. What
    DeepSpeed keeps and copies beside them is counted as its code does it. Gradients are
    accumulated.
    """
    sizes = _sizes(stage, precision != "fp32", footprint.parameters, world_size)
    activations = footprint.activations * micro_batch
    return DeviceMemory(
        sizes.weights + sizes.gathered + footprint.buffers,
        sizes.gradients,
        0 if offload else sizes.optimizer,
        activations,
        max(0, sizes.copies - sizes.gathered - activations),
        GPU_PROGRAM if on_gpu else CPU_PROGRAM,
    )


def _sizes(stage: int, half: bool, values: int, world_size: int) -> _Sizes:
    """`half`: weights compute in 2 bytes, and gradients are accumulated in 4."""
    size, share = 2 if half else 4, -(-values // world_size)
    bucket, whole = min(REDUCE_BUCKET, values), min(WHOLE_BUCKET, values)
    weights, shared, moments = size * values, 4 * share, 12 * share
    if stage == 0:
        return _Sizes(weights, 0, weights, 8 * values, size * whole)
    if stage == 1 and half:
        return _Sizes(weights, 0, 6 * values, moments, 6 * whole)
    if stage == 1:
        return _Sizes(weights, 0, 4 * (values + bucket), moments, max(0, shared - 4 * bucket))
    gradients = shared + size * bucket
    if stage == 2:
        # what is summed is kept beside the next bucket, before it is added
        summed = 0 if half or bucket == values else shared
        return _Sizes(weights, 0, gradients, moments, size * bucket + summed)
    gathered = size * (values + min(GATHER_BUCKET, values)) if world_size > 1 else 0
    copies = max(size * bucket + 4 * -(-bucket // world_size), shared)
    return _Sizes(size * share, gathered, gradients, moments, copies)
