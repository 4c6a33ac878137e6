"""Safetensors files with the mode of any other file."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """Writes a file whose mode follows the umask; safetensors lets only its owner read it."""
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(dict(tensors), path, metadata)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if path.stat().st_mode != mode:
        path.chmod(mode)
