"""Files of named tensors, whoever wrote them; nothing in a file is ever executed."""

import argparse
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

# Where other programs put the tensors inside what they save, and what they prepend to names.
WRAPPERS = ("model", "module", "state_dict", "model_state")
PREFIXES = ("module.", "_orig_mod.")
# Plain records that published files hold beside the tensors.
HARMLESS_TYPES: list[Any] = [argparse.Namespace]


class CheckpointMismatch(ValueError):
    """A file that does not hold what was asked of it; the message groups what differs."""

    exit_status = 2
    on_every_process = True


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Named tensors of a `.safetensors` file, a torch file or a Hugging Face folder.

    Wrappers such as `model` and prefixes such as `_orig_mod.` are taken off. Raises
    CheckpointMismatch where there is no such file, or it holds objects other than tensors.
    """
    file = _file_in(path)
    held = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    for wrapper in WRAPPERS:
        if isinstance(held.get(wrapper), dict):
            held = held[wrapper]
    tensors = {_bare(name): value for name, value in held.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointMismatch(f"{file}: holds no tensors; its keys are {list(held)[:5]}")
    return tensors


def read_metadata(file: Path) -> dict[str, str]:
    """The text that a `.safetensors` file carries beside its tensors."""
    try:
        with safe_open(file, framework="pt") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(f"{file}: cannot be read ({_one_line(error)})") from None


def parse_metadata(file: Path, key: str) -> Any:
    """One JSON entry of a file's metadata; raises CheckpointMismatch where it is not there."""
    try:
        return json.loads(read_metadata(file)[key])
    except KeyError:
        raise CheckpointMismatch(
            f"{file}: its metadata has no {key!r}; it was not written by this project"
        ) from None
    except json.JSONDecodeError as error:
        raise CheckpointMismatch(f"{file}: metadata {key!r} is not JSON ({error})") from None


def _file_in(path: Path) -> Path:
    if path.is_file():
        return path
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return path / name
    what = "a folder without model.safetensors" if path.is_dir() else "no such file"
    raise CheckpointMismatch(f"{path}: {what}; give a .safetensors or .pth file")


def _read_safetensors(file: Path) -> dict[str, Any]:
    try:
        return dict(load_file(file))
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(
            f"{file}: is not whole ({_one_line(error)}); copy it again"
        ) from None


def _read_torch(file: Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals(HARMLESS_TYPES):
            held = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = _one_line(error).partition("GLOBAL ")[2].split(" ")[0] or "an object"
        raise CheckpointMismatch(
            f"{file}: holds {found} beside tensors, and no code is run from a file; "
            "save its tensors alone"
        ) from None
    except Exception as error:  # bytes that are no torch file can make its reader fail anyhow
        raise CheckpointMismatch(
            f"{file}: is not whole ({_one_line(error)}); copy it again"
        ) from None
    if not isinstance(held, dict):
        raise CheckpointMismatch(f"{file}: holds {type(held).__name__}, not named tensors")
    return held


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
