"""Communication of one optimizer step: bytes and time.

All counts are bytes that one process sends, on average over the processes, in ring collectives:
(n - 1) / n of the data for a reduce-scatter or an all-gather, and twice as much for an all-reduce,
which is the minimum (Patarasu and Yuan, 2009).
"""

from typing import NamedTuple

# DeepSpeed's defaults of `max_live_parameters` and `max_reuse_distance`.
LIVE_VALUES = 1_000_000_000
# Its default of `param_persistence_threshold`: smaller parameters stay gathered at stage 3.
RESIDENT_BELOW = 100_000


class BytesSent(NamedTuple):
    """Bytes that one process sends."""

    gradients: float
    weights: float

    @property
    def total(self) -> float:
        return self.gradients + self.weights


class CollectivePasses(NamedTuple):
    """Ring passes over all gradients and all weights: in a step, and in each micro-batch."""

    gradients_in_step: int
    gradients_in_micro_batch: int
    weights_in_step: int
    weights_in_micro_batch: int


# ZeRO (Rajbhandari et al., SC 2020), section 7, by stage. It has no accumulation: what is sharded
# (gradients from stage 2 on, weights at 3) cannot wait for the last micro-batch.
PAPER = (
    CollectivePasses(2, 0, 0, 0),
    CollectivePasses(1, 0, 1, 0),
    CollectivePasses(0, 1, 1, 0),
    CollectivePasses(0, 1, 0, 2),
)
# DeepSpeed 0.19: stages 1 and 2 all-reduce a bucket, of which each process keeps its shard
# (`use_multi_rank_bucket_allreduce`); 3 keeps gathered weights for the backward pass.
DEEPSPEED = (
    CollectivePasses(2, 0, 0, 0),
    CollectivePasses(2, 0, 1, 0),
    CollectivePasses(0, 2, 1, 0),
    CollectivePasses(0, 1, 0, 1),
)


def sent_by_paper(
    stage: int, values: int, world_size: int, value_bytes: int, accumulation: int
) -> BytesSent:
    """Bytes by the ZeRO paper for so many trained values, each sent in `value_bytes` bytes.

    `accumulation`: micro-batches per step.
    """
    round_trip = values * value_bytes * (world_size - 1) / world_size
    passes = PAPER[stage]
    return BytesSent(
        round_trip * (passes.gradients_in_step + accumulation * passes.gradients_in_micro_batch),
        round_trip * (passes.weights_in_step + accumulation * passes.weights_in_micro_batch),
    )


def sent_by_deepspeed(
    stage: int, values: int, world_size: int, value_bytes: int, accumulation: int, resident: int = 0
) -> BytesSent:
    """As `sent_by_paper`, but for DeepSpeed as `launch.training.engine` configures it.

    `resident` values are in parameters below RESIDENT_BELOW, which stage 3 gathers once per step.
    Weights above LIVE_VALUES are released after the forward pass and gathered again; this was
    measured with models and limits scaled down together. Between half of the limit and the limit,
    up to 0.15 further passes were measured, which are not counted.
    """
    share = value_bytes * (world_size - 1) / world_size
    passes = DEEPSPEED[stage]
    in_step = passes.gradients_in_step + accumulation * passes.gradients_in_micro_batch
    gathered = values * passes.weights_in_step
    if stage == 3:
        regathered = max(0, values - LIVE_VALUES)
        in_micro_batch = passes.weights_in_micro_batch * (values - resident) + regathered
        gathered = accumulation * in_micro_batch + resident
    return BytesSent(share * values * in_step, share * gathered)


class Links(NamedTuple):
    """The links between devices; bytes per second in one direction."""

    intra_node: float = 450e9  # between devices of a node: NVLink 4 of H100 and H200
    inter_node: float = 50e9  # the network adapter of each device: 400 Gbit/s
    devices_per_node: int = 8
    bus_efficiency: float = 0.8  # share that collectives reach: an assumption
    overlap: float = 0.5  # share hidden behind computation at stage 3: an assumption

    def bandwidth(self, world_size: int) -> float:
        """Bytes per second that each device sends in a ring over all of them.

        A ring leaves each node once; with one ring for each adapter, all adapters of a node carry
        the traffic together.
        """
        peak = self.intra_node
        if world_size > self.devices_per_node:
            peak = min(peak, self.inter_node * self.devices_per_node)
        return peak * self.bus_efficiency


class StepTime(NamedTuple):
    """Seconds of one optimizer step."""

    computing: float
    communicating: float
    hidden: float  # communication that overlaps with computation

    @property
    def total(self) -> float:
        return self.computing + self.communicating - self.hidden

    @property
    def efficiency(self) -> float:
        """Share of the time in which a device computes."""
        return self.computing / self.total


def step_time(
    stage: int, computing: float, sent: BytesSent, links: Links, world_size: int
) -> StepTime:
    """A lower bound: collectives start at once, and no process waits for data or for another.

    Only stage 3 overlaps its collectives with computation (`overlap_comm`).
    """
    communicating = sent.total / links.bandwidth(world_size)
    hidden = min(links.overlap * communicating, computing) if stage == 3 else 0.0
    return StepTime(computing, communicating, hidden)
