"""What a process really tells the others: every collective that it starts, by kind and bytes."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Kind(NamedTuple):
    """One operation of torch.distributed, below all libraries that call it."""

    name: str
    whole: int  # argument that holds what is reduced, or the result of all that is gathered
    passes: int  # of (n - 1) / n of these bytes that each of n processes sends in a ring


# A ring that reduces to one process, or spreads from one, has n - 1 of n processes send all bytes.
KINDS = {
    "allreduce_": Kind("all_reduce", 0, 2),
    "allreduce_coalesced_": Kind("all_reduce", 0, 2),
    "reduce_": Kind("reduce", 0, 1),
    "broadcast_": Kind("broadcast", 0, 1),
    "allgather_": Kind("all_gather", 0, 1),
    "_allgather_base_": Kind("all_gather", 0, 1),
    "allgather_into_tensor_coalesced_": Kind("all_gather", 0, 1),
    "reduce_scatter_": Kind("reduce_scatter", 1, 1),
    "_reduce_scatter_base_": Kind("reduce_scatter", 1, 1),
    "reduce_scatter_tensor_coalesced_": Kind("reduce_scatter", 1, 1),
    "alltoall_": Kind("all_to_all", 1, 1),
    "alltoall_base_": Kind("all_to_all", 1, 1),
}
SILENT = {"barrier", "monitored_barrier_"}  # move no tensors


class Collective(NamedTuple):
    """One call."""

    kind: str
    bytes: int  # of the whole: what is reduced, or what all have gathered
    sent: float  # bytes that a process sends, on average over the processes, in a ring


class CountedCollectives(TorchDispatchMode):
    """Lists the collectives of this process while it is entered; all processes take part in each.

    A backend may send otherwise than in a ring; the ring sends the fewest bytes that are possible
    (Patarasu and Yuan, 2009).
    """

    def __init__(self, world_size: int) -> None:
        super().__init__()
        self._share = (world_size - 1) / world_size
        self.seen: list[Collective] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if isinstance(function, torch._ops.OpOverload) and function.namespace == "c10d":
            self._see(function._schema.name.partition("::")[2], args)
        return function(*args, **(kwargs or {}))

    def _see(self, operation: str, args: tuple[Any, ...]) -> None:
        """Raises KeyError for an operation that is not known: what is not counted is not small."""
        if operation in SILENT:
            return
        kind = KINDS[operation]
        tensors = [leaf for leaf in tree_leaves(args[kind.whole]) if isinstance(leaf, Tensor)]
        size = sum(tensor.nbytes for tensor in tensors)
        self.seen.append(Collective(kind.name, size, kind.passes * size * self._share))

    def sent_by_kind(self) -> dict[str, float]:
        """Bytes that a process sent, by the kind of collective."""
        sent: dict[str, float] = {}
        for each in self.seen:
            sent[each.kind] = sent.get(each.kind, 0) + each.sent
        return sent
