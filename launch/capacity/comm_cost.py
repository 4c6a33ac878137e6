"""What the processes of a run send each other in one optimizer step, and how long that takes.

All counts are bytes that one process sends, on average over the processes, where each collective
runs in a ring: (n - 1) / n of its bytes for a reduce-scatter or an all-gather, and twice as many
for an all-reduce, which is the least that is possible (Patarasu and Yuan, 2009).
"""

from typing import NamedTuple

# DeepSpeed's `max_live_parameters` and `max_reuse_distance` where nothing else is set.
LIVE_VALUES = 1_000_000_000
# Its `param_persistence_threshold`: smaller parameters stay whole at stage 3.
RESIDENT_BELOW = 100_000


class BytesSent(NamedTuple):
    """Bytes."""

    gradients: float
    weights: float

    @property
    def total(self) -> float:
        return self.gradients + self.weights


class CollectivePasses(NamedTuple):
    """How often all gradients and all weights go round: in a step, and in each micro-batch."""

    gradients_in_step: int
    gradients_in_micro_batch: int
    weights_in_step: int
    weights_in_micro_batch: int


# ZeRO (Rajbhandari et al., SC 2020), section 7, by stage. It knows no accumulation: what it shares
# among the processes (gradients from 2 on, weights at 3) cannot wait for the last micro-batch.
PAPER = (
    CollectivePasses(2, 0, 0, 0),
    CollectivePasses(1, 0, 1, 0),
    CollectivePasses(0, 1, 1, 0),
    CollectivePasses(0, 1, 0, 2),
)
# DeepSpeed 0.19: stages 1 and 2 all-reduce a bucket of which each process then keeps its share
# (`use_multi_rank_bucket_allreduce`), and 3 keeps gathered weights for the backward pass.
DEEPSPEED = (
    CollectivePasses(2, 0, 0, 0),
    CollectivePasses(2, 0, 1, 0),
    CollectivePasses(0, 2, 1, 0),
    CollectivePasses(0, 1, 0, 1),
)


def sent_by_paper(
    stage: int, values: int, world_size: int, value_bytes: int, accumulation: int
) -> BytesSent:
    """Of a model of so many trained values, of which each is sent in `value_bytes` bytes.

    `accumulation`: micro-batches of a step.
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
    """As `sent_by_paper`, but what DeepSpeed does as `launch.training.engine` sets it up.

    `resident` of the values are in parameters below RESIDENT_BELOW: at stage 3 these are gathered
    once a step. Weights above LIVE_VALUES are released after the forward pass and gathered again;
    measured on models and limits scaled down together. Between half and all of the limit up to
    0.15 passes more were seen, which are not counted.
    """
    share = value_bytes * (world_size - 1) / world_size
    passes = DEEPSPEED[stage]
    in_step = passes.gradients_in_step + accumulation * passes.gradients_in_micro_batch
    gathered = values * passes.weights_in_step
    if stage == 3:
        again = max(0, values - LIVE_VALUES)
        in_pass = passes.weights_in_micro_batch * (values - resident) + again
        gathered = accumulation * in_pass + resident
    return BytesSent(share * values * in_step, share * gathered)


class Links(NamedTuple):
    """What joins the devices; bytes a second in one direction."""

    intra_node: float = 450e9  # of a device to those of its node: NVLink 4, as of H100 and H200
    inter_node: float = 50e9  # of the adapter of each device to other nodes: 400 Gbit/s
    devices_per_node: int = 8
    bus_efficiency: float = 0.8  # share of these that collectives reach: an assumption
    overlap: float = 0.5  # share hidden behind computing where DeepSpeed tries: an assumption

    def bandwidth(self, world_size: int) -> float:
        """Bytes a second that each device sends in a ring over all of them.

        The ring leaves a node once, while each device of the node sends as much; one ring for
        each adapter lets all adapters of the node carry it together.
        """
        whole = self.intra_node
        if world_size > self.devices_per_node:
            whole = min(whole, self.inter_node * self.devices_per_node)
        return whole * self.bus_efficiency


class StepTime(NamedTuple):
    """Seconds of one optimizer step."""

    computing: float
    communicating: float
    hidden: float  # of the communicating, behind the computing

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

    Stage 3 alone has its collectives in a stream of their own (`overlap_comm`); computing waits
    for those of the others.
    """
    communicating = sent.total / links.bandwidth(world_size)
    hidden = min(links.overlap * communicating, computing) if stage == 3 else 0.0
    return StepTime(computing, communicating, hidden)
