"""Initial values of the parts of an encoder that no file brings."""

from collections.abc import Collection

from torch import nn

from encoder.block import initialise_linear
from encoder.vit import VideoEncoder


def initialise(encoder: VideoEncoder, names: Collection[str]) -> None:
    """Gives the modules that own these parameters, on the meta device, what training begins with.

    Values are drawn from torch's own generator. A module's other parameters get initial values as
    well.
    """
    for owner in sorted({name.rpartition(".")[0] for name in names}):
        module = encoder.get_submodule(owner)
        module.to_empty(device="cpu", recurse=False)
        module.reset_parameters()  # type: ignore[operator]
        if owner.startswith("blocks."):
            initialise_linear(module)
        if owner.endswith(".time_proj") and not owner.startswith("blocks.0."):
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
