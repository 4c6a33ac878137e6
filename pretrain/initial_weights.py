"""Where the weights of a run come from: its last checkpoint, a file, or its seed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from encoder.checkpoint.overrides import CheckpointOverrides
from launch.checkpoint.store import CHECKPOINTS_FOLDER, Checkpoint, find_checkpoint
from launch.distributed.process_group import Processes
from pretrain.checkpoint.formats import OWN, read_autoencoder
from pretrain.config import PretrainConfig


class InitialWeights(NamedTuple):
    """At most one of the two is not None."""

    resumed: Checkpoint | None  # everything: weights, moments, counters, step
    weights: dict[str, Tensor] | None  # weights only
    description: str

    @property
    def step(self) -> int:
        return self.resumed.step if self.resumed else 0


def resolve_initial_weights(
    config: PretrainConfig, folder: Path, processes: Processes, report: Callable[[str], None]
) -> InitialWeights:
    """The last checkpoint that is whole; without one `init_from`; else fresh weights.

    `report` is told of damaged checkpoints. Raises what reading raises.
    """
    resumed = find_checkpoint(folder / CHECKPOINTS_FOLDER, processes, report)
    if resumed is not None:
        what = "weights, optimizer states, step, data order"
        return InitialWeights(resumed, None, f"resume: {what} of {resumed.folder}")
    if config.init_from is None:
        return InitialWeights(None, None, f"start: step 0, fresh weights, seed {config.seed}")
    encoder = config.encoder
    told = CheckpointOverrides(encoder.num_heads, encoder.num_frames, encoder.image_size)
    layout, weights = read_autoencoder(config.init_from, told)
    whose = "this project's" if layout == OWN else f"{layout}'s"
    return InitialWeights(
        None,
        weights,
        f"start: step 0, the weights of {config.init_from}: {len(weights)} tensors in {whose} "
        f"layout, all of the model's; fresh moments, seed {config.seed}",
    )
