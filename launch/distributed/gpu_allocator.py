"""PyTorch's allocator of GPU memory."""

from collections.abc import MutableMapping

SETTING = "PYTORCH_ALLOC_CONF"
NAMES = (SETTING, "PYTORCH_CUDA_ALLOC_CONF")  # PyTorch reads both
EXPANDABLE = "expandable_segments:True"
FIXED = f"{SETTING}=expandable_segments:False"


def use_expandable_segments(environment: MutableMapping[str, str]) -> None:
    """Makes freed memory usable for blocks of any size, unless the user has set the allocator.

    PyTorch reads the variable at its first allocation on a GPU.
    """
    if not any(name in environment for name in NAMES):
        environment[SETTING] = EXPANDABLE
