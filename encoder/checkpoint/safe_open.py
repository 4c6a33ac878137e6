"""One file of named tensors, mapped into memory; nothing in it is ever executed."""

import argparse
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

# Where other programs put the tensors inside what they save, and what they prepend to names.
WRAPPERS = ("model", "module", "state_dict", "model_state")
PREFIXES = ("module.", "_orig_mod.")
# Plain records that published files hold beside the tensors.
_scalar = np.float64(0).__reduce__()[0]
HARMLESS_TYPES: list[Any] = [
    argparse.Namespace,
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float32", "float64", "int64")),
]


class CheckpointMismatch(ValueError):
    """A file that does not hold what was asked of it; the message groups what differs."""

    exit_status = 2
    on_every_process = True


# safetensors' names of the types that weights have
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class TensorSource(NamedTuple):
    """A file's tensors, of which a page is read when it is touched, and what lies beside them."""

    tensors: dict[str, Tensor]  # shapes and types, no data
    read: Callable[[str], Tensor]
    wrapper: str  # the entry under which the tensors lie
    other_wrappers: tuple[str, ...]  # entries that could have been the wrapper as well
    metadata: dict[str, Any]  # plain values


def open_file(file: Path) -> TensorSource:
    """Raises CheckpointMismatch where a file is not whole or holds objects other than tensors."""
    return _safetensors(file) if file.suffix == ".safetensors" else _torch(file)


def read_metadata(file: Path) -> dict[str, str]:
    """The text that a `.safetensors` file carries beside its tensors."""
    try:
        with safe_open(file, framework="pt") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(f"{file}: cannot be read ({one_line(error)})") from None


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


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _safetensors(file: Path) -> TensorSource:
    try:
        opened = safe_open(file, framework="pt")
        held = {_bare(name): name for name in opened.keys()}  # noqa: SIM118
        tensors = {bare: _hollow(opened.get_slice(name)) for bare, name in held.items()}
        recorded = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(
            f"{file}: is not whole ({one_line(error)}); copy it again"
        ) from None
    if not tensors:
        raise CheckpointMismatch(f"{file}: holds no tensors; its metadata is {list(recorded)[:5]}")
    return TensorSource(tensors, lambda name: opened.get_tensor(held[name]), "", (), dict(recorded))


def _hollow(part: Any) -> Tensor:
    dtype = DTYPES.get(part.get_dtype(), torch.int64)  # no weights have another
    return torch.empty(part.get_shape(), dtype=dtype, device="meta")


def _torch(file: Path) -> TensorSource:
    held = _unpickled(file)
    recorded = _plain(held)
    wrapper, others = "", []
    for name in WRAPPERS:
        if isinstance(held.get(name), dict):
            others += [key for key, value in held.items() if key != name and _is_model(value)]
            wrapper, held = name, held[name]
    tensors = {
        _bare(name): value
        for name, value in held.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise CheckpointMismatch(f"{file}: holds no tensors; its keys are {list(held)[:5]}")
    hollow = {name: tensor.to("meta") for name, tensor in tensors.items()}
    return TensorSource(hollow, tensors.__getitem__, wrapper, tuple(others), recorded)


def _unpickled(file: Path) -> dict[Any, Any]:
    try:
        with torch.serialization.safe_globals(HARMLESS_TYPES):
            mapped = zipfile.is_zipfile(file)  # files from before torch 1.6 are no archives
            held = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        found = one_line(error).partition("GLOBAL ")[2].split(" ")[0] or "an object"
        raise CheckpointMismatch(
            f"{file}: holds {found} beside tensors, and no code is run from a file; "
            "save its tensors alone"
        ) from None
    except Exception as error:  # bytes that are no torch file can make its reader fail anyhow
        raise CheckpointMismatch(
            f"{file}: is not whole ({one_line(error)}); copy it again"
        ) from None
    if not isinstance(held, dict):
        raise CheckpointMismatch(f"{file}: holds {type(held).__name__}, not named tensors")
    return held


def _plain(held: dict[Any, Any]) -> dict[str, Any]:
    """Numbers and texts of the arguments that a program saved beside the tensors."""
    arguments = held.get("args")
    values = vars(arguments) if isinstance(arguments, argparse.Namespace) else {}
    return {key: value for key, value in values.items() if isinstance(value, int | float | str)}


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and sum(isinstance(v, Tensor) for v in value.values()) > 9


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name
