"""Reads an `.npz` from outside: types, shapes and sizes are checked before an array is read.

Objects in an archive would need a pickle; they are refused.
"""

import math
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAX_BYTES = 2**30  # of all arrays together, uncompressed
Shape = tuple[int, ...]
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
KINDS = {"U": "text", "f": "floating-point", "i": "signed", "u": "unsigned", "b": "boolean"}


class ArrayRule(NamedTuple):
    """What an array may be. It is read as `dtype`, if there is one."""

    kinds: str  # numpy's letters, such as "fiu" for numbers
    axes: tuple[int, ...]  # how many there may be
    dtype: type[np.generic] | None = None


class ArchiveError(ValueError):
    """An archive that is damaged or has other arrays; the message does not name the file."""


def read_arrays(
    path: Path, rules: Mapping[str, ArrayRule], check: Callable[[dict[str, Shape]], None]
) -> dict[str, np.ndarray]:
    """The named arrays, converted to native byte order. Others in the archive are not read.

    `check` is given the shapes before an array is read. Raises ArchiveError, and what `check`
    raises.
    """
    if not path.is_file():
        raise ArchiveError("is not a regular file" if path.exists() else "no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, list(rules))
            check({name: _shape(archive, members[name], name, rules[name]) for name in rules})
            if sum(member.file_size for member in members.values()) > MAX_BYTES:
                raise ArchiveError(f"its arrays have more than {MAX_BYTES >> 30} GiB")
            return {name: _read(archive, members[name], name, rules[name]) for name in rules}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ArchiveError(_one_line(error)) from None
    except Exception as error:
        if isinstance(error, ValueError):  # of this module, or of `check`
            raise
        # a damaged member makes the decompressors raise errors of their own
        raise ArchiveError(f"{type(error).__name__}: {_one_line(error)}") from None


def _members(archive: zipfile.ZipFile, names: list[str]) -> dict[str, zipfile.ZipInfo]:
    counts = Counter(info.filename.removesuffix(".npy") for info in archive.infolist())
    if missing := [name for name in names if not counts[name]]:
        raise ArchiveError(f"has no {', '.join(missing)}")
    if twice := [name for name in names if counts[name] > 1]:
        raise ArchiveError(f"has {', '.join(twice)} twice")
    by_name = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    return {name: by_name[name] for name in names}


def _shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, rule: ArrayRule) -> Shape:
    """The shape of an array that its rule admits, and that has the bytes which its header says."""
    with archive.open(member) as file:
        shape, dtype = _header(file, name)
        if dtype.hasobject or dtype.kind not in rule.kinds:
            admitted = " or ".join(KINDS[kind] for kind in rule.kinds)
            raise ArchiveError(f"{name} has the type {dtype}; it must be {admitted}")
        if len(shape) not in rule.axes:
            axes = " or ".join(map(str, rule.axes))
            raise ArchiveError(f"{name} has {len(shape)} axes; it must have {axes}")
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ArchiveError(f"{name} has {member.file_size:,} bytes, its header says otherwise")
    return shape


def _header(file: Any, name: str) -> tuple[Shape, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        shape, _, dtype = HEADERS[version](file)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ArchiveError(f"{name} is not an array of numpy ({_one_line(error)})") from None
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ArchiveError(f"{name} has the shape {shape}")
    return shape, dtype


def _read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, rule: ArrayRule
) -> np.ndarray:
    with archive.open(member) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)
    if native.dtype.kind == "U" and native.dtype.itemsize:
        if native.size and int(native.reshape(-1).view(np.uint32).max()) > 0x10FFFF:
            raise ArchiveError(f"{name} has a character that Unicode does not have")
    elif native.dtype.kind == "u" and native.size and int(native.max()) >= 2**63:
        raise ArchiveError(f"{name} has the value {native.max()}, which is too large")
    return native if rule.dtype is None else native.astype(rule.dtype)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
