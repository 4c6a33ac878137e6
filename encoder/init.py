"""Initial values of the tensors of an encoder that a checkpoint does not have."""

from collections.abc import Collection

from torch import nn

from encoder.block import initialise_linear
from encoder.vit import VideoEncoder


def initialise(encoder: VideoEncoder, names: Collection[str]) -> None:
    """Initialises the modules that have these parameters, which are on the meta device.

    Random values come from torch's global generator. All parameters of such a module are
    initialised.
    """
    for owner in sorted({name.rpartition(".")[0] for name in names}):
        module = encoder.get_submodule(owner)
        module.to_empty(device="cpu", recurse=False)
        module.reset_parameters()  # type: ignore[operator]
        if owner.startswith("blocks."):
            initialise_linear(module)
        if owner.endswith(".time_proj") and not owner.startswith("blocks.0."):
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
