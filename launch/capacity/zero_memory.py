"""Memory of a training step on one device under ZeRO."""

from typing import NamedTuple

from launch.capacity.model_memory import ModelMemory
from launch.training.deepspeed_config import GATHER_BUCKET, REDUCE_BUCKET
from launch.training.optimizer import OptimizerConfig, state_bytes

FREE = 0.05  # share of a device's memory that stays unused
# Measured: PyTorch, DeepSpeed and the video libraries with their buffers, without the model.
CPU_PROGRAM = 900 * 2**20
# Assumed: CUDA's context, NCCL's buffers and the fragmentation of the allocator.
GPU_PROGRAM = 2 * 2**30
# Values that DeepSpeed reduces at a time at stages 0 and 1, where gradients are not sharded.
UNSHARDED_BUCKET = 500_000_000
MASTER_BYTES = 4  # of the float32 weight that the optimizer updates


class DeviceMemory(NamedTuple):
    """Bytes on one device at the peak of a step."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    copies: int  # made after the activations are freed: the bytes by which they exceed these
    program: int

    @property
    def total(self) -> int:
        return sum(self)


class _Sizes(NamedTuple):
    """Bytes of a model's state under DeepSpeed, without activations."""

    weights: int
    gathered: int  # weights of other devices, during forward and backward
    gradients: int
    optimizer: int
    copies: int  # of gradients, when they are reduced and when the weights are updated


def device_memory(
    footprint: ModelMemory,
    optimizer: OptimizerConfig,
    stage: int,
    precision: str,
    world_size: int,
    micro_batch: int,
    offload: bool,
    on_gpu: bool,
) -> DeviceMemory:
    """The peak of a step with gradient accumulation under DeepSpeed.

    ZeRO (Rajbhandari et al., SC 2020), section 5: stage 1 shards the optimizer's states and its
    float32 weights, 2 also the gradients, 3 also the weights, which it gathers to compute.
    DeepSpeed's further buffers and copies are counted as its code makes them.
    """
    half, states = precision != "fp32", state_bytes(optimizer)
    sizes = _sizes(stage, half, footprint.parameters, world_size, states)
    activations = footprint.activations * micro_batch
    return DeviceMemory(
        sizes.weights + sizes.gathered + footprint.buffers,
        sizes.gradients,
        0 if offload else sizes.optimizer,
        activations,
        max(0, sizes.copies - sizes.gathered - activations),
        GPU_PROGRAM if on_gpu else CPU_PROGRAM,
    )


def _sizes(stage: int, half: bool, values: int, world_size: int, state_size: int) -> _Sizes:
    """`half`: the model computes in 2 bytes, and gradients are accumulated in 4.

    `state_size`: bytes of the optimizer's states for each value.
    """
    size, share = 2 if half else 4, -(-values // world_size)
    bucket, whole = min(REDUCE_BUCKET, values), min(UNSHARDED_BUCKET, values)
    weights, shared, optimizer = size * values, 4 * share, (MASTER_BYTES + state_size) * share
    if stage == 0:
        return _Sizes(weights, 0, weights, state_size * values, size * whole)
    if stage == 1 and half:
        return _Sizes(weights, 0, 6 * values, optimizer, 6 * whole)
    if stage == 1:
        return _Sizes(weights, 0, 4 * (values + bucket), optimizer, max(0, shared - 4 * bucket))
    gradients = shared + size * bucket
    if stage == 2:
        # a reduced bucket is alive together with the next one, before it is accumulated
        summed = 0 if half or bucket == values else shared
        return _Sizes(weights, 0, gradients, optimizer, size * bucket + summed)
    gathered = size * (values + min(GATHER_BUCKET, values)) if world_size > 1 else 0
    copies = max(size * bucket + 4 * -(-bucket // world_size), shared)
    return _Sizes(size * share, gathered, gradients, optimizer, copies)
