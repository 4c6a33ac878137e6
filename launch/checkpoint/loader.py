"""Reading checkpoints into an engine of any stage and number of processes, or without one."""

import json
from collections.abc import Iterator
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from launch.checkpoint.saver import TrainingState
from launch.checkpoint.store import Checkpoint, DamagedCheckpoint
from launch.training.zero_shards import WEIGHT


def load_checkpoint(checkpoint: Checkpoint, state: TrainingState) -> None:
    """Sets weights and optimizer state of an engine of any stage and number of processes."""
    reader = FragmentReader(checkpoint)
    for fragment in state.fragments():
        for key, tensor in fragment.tensors.items():
            tensor.copy_(reader.read(key, fragment.name, fragment.start, fragment.stop))
    state.load_scalars(checkpoint.scalars)


def read_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """All parameters in float32, read by one process without an engine."""
    reader = FragmentReader(checkpoint)
    return {
        name: reader.read(WEIGHT, name, 0, torch.Size(shape).numel()).reshape(shape)
        for name, shape in reader.shapes.items()
    }


def stored_shapes(checkpoint: Checkpoint) -> dict[str, list[int]]:
    """The shapes of all parameters, by name."""
    return FragmentReader(checkpoint).shapes


class FragmentReader:
    """Reads parts of parameters across the files of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.shapes: dict[str, list[int]] = {}
        self._fragments: dict[str, list[tuple[int, Any]]] = {}
        for name in checkpoint.files:
            try:
                opened = safe_open(checkpoint.folder / name, framework="pt")
            except (SafetensorError, OSError) as error:
                raise DamagedCheckpoint(f"{checkpoint.folder / name}: {error}") from None
            for parameter, (start, shape) in json.loads(opened.metadata()["fragments"]).items():
                self.shapes[parameter] = shape
                self._fragments.setdefault(parameter, []).append((start, opened))

    def read(self, key: str, parameter: str, start: int, stop: int) -> Tensor:
        """Values [start, stop) of a flattened parameter: its weight, or an optimizer state."""
        parts = list(self._overlaps(f"{key}/{parameter}", parameter, start, stop))
        joined = torch.cat(parts) if parts else torch.empty(0)
        if len(joined) != stop - start:
            raise DamagedCheckpoint(
                f"{self.checkpoint.folder}: has {len(joined)} of {stop - start} values of "
                f"{key}/{parameter}; it was written with another model or optimizer"
            )
        return joined

    def _overlaps(self, key: str, parameter: str, start: int, stop: int) -> Iterator[Tensor]:
        fragments = self._fragments.get(parameter, [])
        for first, opened in sorted(fragments, key=lambda fragment: fragment[0]):
            if key not in opened.keys():  # noqa: SIM118 (no mapping)
                continue
            fragment = opened.get_slice(key)
            low, high = max(start, first), min(stop, first + fragment.get_shape()[0])
            if low < high:
                yield fragment[low - first : high - first]
