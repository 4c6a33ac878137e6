"""What a training step keeps in the memory of one device under ZeRO."""

from typing import NamedTuple

from launch.footprint import Footprint
from launch.zero import REDUCE_BUCKET

FREE = 0.05  # share of a device's memory that is left alone
# Measured: PyTorch, DeepSpeed and the video libraries with their buffers, beside the model.
CPU_PROGRAM = 900 * 2**20
# Assumed: CUDA's context, NCCL's buffers and what the allocator cannot use.
GPU_PROGRAM = 2 * 2**30


class DeviceMemory(NamedTuple):
    """Bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    program: int

    @property
    def total(self) -> int:
        return sum(self)


def device_memory(
    footprint: Footprint, stage: int, precision: str, world_size: int, micro_batch: int,
    offload: bool, on_gpu: bool,
) -> DeviceMemory:  # fmt: skip
    """The peak of a step under DeepSpeed, by what ZeRO shares among the devices.

    ZeRO (Rajbhandari et al., SC 2020), section 5: stage 1 shares AdamW's moments and the float32
    weights, 2 the gradients as well, 3 the weights as well, which it gathers to compute. Beside
    them, gradients are summed in a bucket.
    """
    values, share = footprint.parameters, -(-footprint.parameters // world_size)
    size = 4 if precision == "fp32" else 2
    bucket = size * min(REDUCE_BUCKET, values) if stage > 0 else 0
    weights = {0: size * values, 1: size * values, 2: size * values, 3: size * (share + values)}
    gradients = {0: size * values, 1: size * values + bucket,
                 2: bucket + 4 * share, 3: bucket + 4 * share}  # fmt: skip
    optimizer = 8 * values if stage == 0 else 12 * share
    return DeviceMemory(
        weights[stage] + footprint.buffers,
        gradients[stage],
        0 if offload else optimizer,
        footprint.activations * micro_batch,
        GPU_PROGRAM if on_gpu else CPU_PROGRAM,
    )
