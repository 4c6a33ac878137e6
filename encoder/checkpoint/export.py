"""Writes an encoder in the formats of other programs, or in this project's own."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from encoder.checkpoint.formats.registry import require_supported, writer_of
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig


def write_encoder(
    path: Path,
    tensors: Mapping[str, Tensor],
    config: EncoderConfig,
    file_format: str,
    metadata: Mapping[str, Any],
) -> None:
    """Writes a file, or a folder in Hugging Face's format; it is complete or absent.

    Only this project's own format stores `metadata`. Raises CheckpointMismatch where the format
    does not support the encoder, or `path` exists.
    """
    write = writer_of(file_format)
    require_supported(file_format, config)
    require_new(path)
    temporary = path.with_name(path.name + ".tmp")
    if temporary.is_dir():
        shutil.rmtree(temporary)
    write(temporary, tensors, config, metadata)
    temporary.replace(path)


def require_new(path: Path) -> None:
    """Tries an output before the work for it. Raises CheckpointMismatch."""
    if path.exists():
        raise CheckpointMismatch(f"{path}: exists already; give another name")
    trial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise CheckpointMismatch(
            f"{path}: cannot be written ({error.strerror}); choose another path"
        ) from None
