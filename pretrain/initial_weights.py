"""Initial weights of a run: its newest checkpoint, a file, or random."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.mlp_width import shapes_of
from launch.checkpoint.loader import stored_shapes
from launch.checkpoint.store import CHECKPOINTS_FOLDER, Checkpoint, find_checkpoint
from launch.distributed.process_group import Processes
from pretrain.checkpoint.formats import OWN, read_autoencoder
from pretrain.config import PretrainConfig


class InitialWeights(NamedTuple):
    """A checkpoint to resume from, or weights to start from, or neither: random weights."""

    resumed: Checkpoint | None  # the whole state: weights, optimizer, counters, step
    weights: dict[str, Tensor] | None
    description: str

    @property
    def shapes(self) -> Mapping[str, Sequence[int]]:
        """Of the weights, by name; empty where they are random."""
        if self.resumed is not None:
            return stored_shapes(self.resumed)
        return shapes_of(self.weights or {})

    @property
    def step(self) -> int:
        return self.resumed.step if self.resumed else 0


def resolve_initial_weights(
    config: PretrainConfig, folder: Path, processes: Processes, report: Callable[[str], None]
) -> InitialWeights:
    """The newest valid checkpoint of the folder, else `init_from`, else random weights.

    `report` is called with a line for each damaged checkpoint. Raises CheckpointMismatch.
    """
    resumed = find_checkpoint(folder / CHECKPOINTS_FOLDER, processes, report)
    if resumed is not None:
        state = "weights, optimizer state, step and data order"
        return InitialWeights(resumed, None, f"resume: {state} from {resumed.folder}")
    if config.init_from is None:
        return InitialWeights(None, None, f"start: step 0, random weights, seed {config.seed}")
    encoder = config.encoder
    known = CheckpointOverrides(encoder.num_heads, encoder.num_frames, encoder.image_size)
    name, weights = read_autoencoder(config.init_from, known)
    format_name = "this project's format" if name == OWN else f"format {name}"
    return InitialWeights(
        None,
        weights,
        f"start: step 0, weights from {config.init_from} ({format_name}, {len(weights)} tensors); "
        f"new optimizer state, seed {config.seed}",
    )
