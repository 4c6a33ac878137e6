"""Reading checkpoints into an engine of any stage and number of processes, or without one."""

import json
from collections.abc import Iterator
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from launch.checkpoint.saver import State
from launch.checkpoint.store import Checkpoint, DamagedCheckpoint
from launch.training.zero_shards import WEIGHT


def load_checkpoint(checkpoint: Checkpoint, state: State) -> None:
    """Sets weights and optimizer state of an engine of any stage and number of processes."""
    pieces = _Pieces(checkpoint)
    for fragment in state.fragments():
        for key, tensor in fragment.tensors.items():
            tensor.copy_(pieces.read(key, fragment.name, fragment.start, fragment.stop))
    state.load_scalars(checkpoint.scalars)


def read_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Every parameter whole, in float32, read on one process without an engine."""
    pieces = _Pieces(checkpoint)
    return {
        name: pieces.read(WEIGHT, name, 0, torch.Size(shape).numel()).reshape(shape)
        for name, shape in pieces.shapes.items()
    }


class _Pieces:
    """Stretches of parameters across the files of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.shapes: dict[str, list[int]] = {}
        self._places: dict[str, list[tuple[int, Any]]] = {}
        for name in checkpoint.files:
            try:
                opened = safe_open(checkpoint.folder / name, framework="pt")
            except (SafetensorError, OSError) as error:
                raise DamagedCheckpoint(f"{checkpoint.folder / name}: {error}") from None
            for parameter, (start, shape) in json.loads(opened.metadata()["fragments"]).items():
                self.shapes[parameter] = shape
                self._places.setdefault(parameter, []).append((start, opened))

    def read(self, key: str, parameter: str, start: int, stop: int) -> Tensor:
        """Values [start, stop) of a flattened parameter's weight or moment."""
        parts = list(self._overlaps(f"{key}/{parameter}", parameter, start, stop))
        joined = torch.cat(parts) if parts else torch.empty(0)
        if len(joined) != stop - start:
            raise DamagedCheckpoint(
                f"{self.checkpoint.folder}: holds {len(joined)} of {stop - start} values of "
                f"{parameter}; it was written by another model"
            )
        return joined

    def _overlaps(self, key: str, parameter: str, start: int, stop: int) -> Iterator[Tensor]:
        places = self._places.get(parameter, [])
        for begin, opened in sorted(places, key=lambda place: place[0]):
            piece = opened.get_slice(key)
            low, high = max(start, begin), min(stop, begin + piece.get_shape()[0])
            if low < high:
                yield piece[low - begin : high - begin]
