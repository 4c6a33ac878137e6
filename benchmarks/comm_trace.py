"""Records every collective that a process starts, with its kind and its bytes."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Kind(NamedTuple):
    """An operation of torch.distributed, below all libraries that call it."""

    name: str
    buffer: int  # argument with the full tensor: input of a reduction, result of a gather
    passes: int  # each sends (n - 1) / n of the bytes per process, in a ring of n processes


# To reduce to one process, or broadcast from one, n - 1 of n processes of a ring send all bytes.
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
WITHOUT_TENSORS = {"barrier", "monitored_barrier_"}  # transfer no tensors


class Collective(NamedTuple):
    """One call of a collective."""

    kind: str
    bytes: int  # of the full tensor: input of a reduction, result of a gather
    sent: float  # bytes sent per process in a ring, averaged over the processes


class CountedCollectives(TorchDispatchMode):
    """Records the collectives of this process in its context; all processes take part in each.

    A backend may use another algorithm than a ring; a ring sends the fewest bytes possible
    (Patarasu and Yuan, 2009).
    """

    def __init__(self, world_size: int) -> None:
        super().__init__()
        self._share = (world_size - 1) / world_size
        self.collectives: list[Collective] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if isinstance(function, torch._ops.OpOverload) and function.namespace == "c10d":
            self._record(function._schema.name.partition("::")[2], args)
        return function(*args, **(kwargs or {}))

    def _record(self, operation: str, args: tuple[Any, ...]) -> None:
        """Raises KeyError for an unknown operation, so that no bytes are missed."""
        if operation in WITHOUT_TENSORS:
            return
        kind = KINDS[operation]
        tensors = [leaf for leaf in tree_leaves(args[kind.buffer]) if isinstance(leaf, Tensor)]
        size = sum(tensor.nbytes for tensor in tensors)
        self.collectives.append(Collective(kind.name, size, kind.passes * size * self._share))

    def sent_by_kind(self) -> dict[str, float]:
        """Bytes sent by each process, by kind of collective."""
        sent: dict[str, float] = {}
        for each in self.collectives:
            sent[each.kind] = sent.get(each.kind, 0) + each.sent
        return sent
