"""Opens one file of named tensors, memory-mapped; code in it is never executed."""

import argparse
import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from encoder.checkpoint.other_files import describe_other_file
from encoder.checkpoint.pickle_scan import HostilePickle, require_harmless

# Entries under which programs save the tensors, and prefixes that they add to names.
WRAPPERS = ("model", "module", "state_dict", "model_state")
PREFIXES = ("module.", "_orig_mod.")
# Plain records that published files have besides tensors.
_scalar = np.float64(0).__reduce__()[0]
SAFE_TYPES: list[Any] = [
    argparse.Namespace,
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdgFD"),  # numbers; they execute nothing
]


class CheckpointMismatch(ValueError):
    """A file does not have the expected tensors or metadata."""

    exit_status = 2
    on_every_process = True


# safetensors' names of floating-point types
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class TensorSource(NamedTuple):
    """A file's tensors, whose memory-mapped pages are read on access, and its metadata."""

    tensors: dict[str, Tensor]  # shapes and types, no data
    read: Callable[[str], Tensor]
    wrapper: str  # the entry that has the tensors; empty: the top level
    other_wrappers: tuple[str, ...]  # further entries that have a model
    metadata: dict[str, Any]  # plain values


def open_file(file: Path) -> TensorSource:
    """Raises CheckpointMismatch where a file is incomplete or has objects other than tensors."""
    try:
        other = describe_other_file(file)
    except OSError as error:
        raise CheckpointMismatch(f"{file}: cannot be read ({error.strerror})") from None
    if other is not None:
        raise CheckpointMismatch(f"{file}: {other}")
    return _safetensors(file) if file.suffix == ".safetensors" else _torch(file)


def read_metadata(file: Path) -> dict[str, str]:
    """The metadata of a `.safetensors` file."""
    try:
        with safe_open(file, framework="pt") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(f"{file}: cannot be read ({one_line(error)})") from None


def parse_metadata(file: Path, key: str) -> Any:
    """One JSON entry of a file's metadata; raises CheckpointMismatch where it is missing."""
    metadata = read_metadata(file)
    if key not in metadata:
        raise CheckpointMismatch(
            f"{file}: its metadata has no {key!r}, so this project did not write it"
        )
    return parse_json(metadata[key], f"{file}: metadata {key!r}")


def parse_json(text: str, place: str) -> Any:
    """JSON from outside; NaN and Infinity, which JSON has not, are None.

    Raises CheckpointMismatch where it is none, or nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise CheckpointMismatch(f"{place} is not JSON ({one_line(error)})") from None


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def cause_of(error: Exception) -> str:
    """What torch says of a file, without its advice to run the file's code."""
    return " ".join(str(error).split()).rpartition("WeightsUnpickler error: ")[2][:60]


def shown_keys(content: Mapping[Any, Any]) -> str:
    """The first keys of a file for an error, each cut; what is no text is named by its type."""
    keys = [key if isinstance(key, str) else type(key).__name__ for key in islice(content, 5)]
    return ", ".join(repr(key if len(key) <= 40 else f"{key[:40]}...") for key in keys)


def _safetensors(file: Path) -> TensorSource:
    try:
        opened = safe_open(file, framework="pt")
        names = _bare_names(file, opened.keys())
        tensors = {bare: _meta_tensor(opened.get_slice(name)) for bare, name in names.items()}
        metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(
            f"{file}: is incomplete or damaged ({one_line(error)}); copy it again"
        ) from None
    if not tensors:
        raise CheckpointMismatch(f"{file}: has no tensors; its metadata is {shown_keys(metadata)}")
    return TensorSource(
        tensors, lambda name: opened.get_tensor(names[name]), "", (), dict(metadata)
    )


def _meta_tensor(entry: Any) -> Tensor:
    dtype = DTYPES.get(entry.get_dtype(), torch.int64)  # other types are not weights
    return torch.empty(entry.get_shape(), dtype=dtype, device="meta")


def _torch(file: Path) -> TensorSource:
    content = _unpickled(file)
    metadata = _plain(content)
    wrapper, others = "", []
    for name in WRAPPERS:
        if isinstance(content.get(name), dict):
            others += [key for key, value in content.items() if key != name and _is_model(value)]
            wrapper, content = name, content[name]
    values = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    tensors = {bare: values[name] for bare, name in _bare_names(file, values).items()}
    if not tensors:
        raise CheckpointMismatch(f"{file}: has no tensors; its keys are {shown_keys(content)}")
    meta = {name: tensor.to("meta") for name, tensor in tensors.items()}
    return TensorSource(meta, tensors.__getitem__, wrapper, tuple(others), metadata)


def _unpickled(file: Path) -> dict[Any, Any]:
    try:
        require_harmless(file)
        with torch.serialization.safe_globals(SAFE_TYPES):
            mapped = zipfile.is_zipfile(file)  # torch before 1.6 wrote no archives
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except HostilePickle as error:
        raise CheckpointMismatch(f"{file}: {error}") from None
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        name = named[1][:100] if named else f"an object ({cause_of(error)})"
        raise CheckpointMismatch(
            f"{file}: has {name} besides tensors; code in a file is never run, so save the tensors "
            "alone"
        ) from None
    except Exception as error:  # torch raises any exception on bytes that are no torch file
        raise CheckpointMismatch(
            f"{file}: is incomplete or damaged ({one_line(error)}); copy it again"
        ) from None
    if not isinstance(content, dict):
        raise CheckpointMismatch(f"{file}: has {type(content).__name__} instead of named tensors")
    return content


def _plain(content: dict[Any, Any]) -> dict[str, Any]:
    """Numbers and strings of the arguments that a program saved with the tensors."""
    arguments = content.get("args")
    values = vars(arguments) if isinstance(arguments, argparse.Namespace) else {}
    return {key: value for key, value in values.items() if isinstance(value, int | float | str)}


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and sum(isinstance(v, Tensor) for v in value.values()) > 9


def _bare_names(file: Path, names: Iterable[str]) -> dict[str, str]:
    """The names in a file by those without prefixes."""
    found = dict[str, str]()
    for name in names:
        other = found.setdefault(_bare(name), name)
        if other != name:
            raise CheckpointMismatch(
                f"{file}: {other!r:.80} and {name!r:.80} are the same tensor but for a prefix; "
                "save one of them"
            )
    return found


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name
