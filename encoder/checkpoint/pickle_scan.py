"""Reads the operations of a pickle without executing one, and refuses what would hang its reader.

A tuple that contains the same tuples many times over is short in a file, but takes for ever to hash
as the key of a dictionary.
"""

import pickletools
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

MAX_OPERATIONS = 5_000_000
MAX_VALUES = 1000  # in a tuple, with all tuples inside it
MAX_DEPTH = 50  # of tuples in tuples
MAX_BYTES = 2**28  # of a pickle; tensors are not in it
OLD_PICKLES = 5  # one after the other in a file of torch before 1.6, then come the tensors
MARK = object()


class HostilePickle(ValueError):
    """A pickle that is not read; the message does not name the file."""


class Extent(NamedTuple):
    """How much there is to hash in a value."""

    values: int
    depth: int


PLAIN = Extent(1, 0)


def require_harmless(path: Path) -> None:
    """Raises HostilePickle where hashing, nesting or unpacking would exhaust time or memory."""
    try:
        if not zipfile.is_zipfile(path):
            size = path.stat().st_size
            with path.open("rb") as file:
                for _ in range(OLD_PICKLES):
                    if file.tell() < size:
                        scan(file)
            return
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise HostilePickle("is compressed, which torch.save never does; save it again")
                if info.filename.endswith("data.pkl"):
                    if info.file_size > MAX_BYTES:
                        raise HostilePickle(f"its pickle has more than {MAX_BYTES >> 20} MiB")
                    with archive.open(info) as member:
                        scan(member)
    except HostilePickle:
        raise
    except Exception as error:  # pickletools and zipfile raise many types on damaged bytes
        reason = " ".join(str(error).split())[:80]
        raise HostilePickle(f"is incomplete or damaged ({reason}); copy it again") from None


def scan(file: Any) -> None:
    """Follows the stack of one pickle in an open binary file. Raises HostilePickle."""
    stack: list[Any] = []
    memo: dict[Any, Extent] = {}
    work = 0
    for operation, argument, _ in pickletools.genops(file):
        name = operation.name
        work += 1
        if name == "MARK":
            stack.append(MARK)
        elif name.startswith("TUPLE"):
            items = _pop_to_mark(stack) if name == "TUPLE" else _pop(stack, int(name[5:]))
            stack.append(_tuple_of(items))
        elif "GET" in name:
            stack.append(memo.get(argument, PLAIN))
            work += stack[-1].values
        elif "PUT" in name or name == "MEMOIZE":
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            _other(stack, operation)
        if work > MAX_OPERATIONS:
            raise HostilePickle(f"its pickle has more than {MAX_OPERATIONS:,} operations")


def _tuple_of(items: list[Extent]) -> Extent:
    extent = Extent(
        1 + sum(item.values for item in items), 1 + max((item.depth for item in items), default=0)
    )
    if extent.depth > MAX_DEPTH or (extent.values > MAX_VALUES and extent.depth > 1):
        raise HostilePickle("has tuples in tuples that would take for ever to read")
    return extent


def _other(stack: list[Any], operation: Any) -> None:
    """Takes and leaves as many values as an operation does."""
    before = [each.name for each in operation.stack_before]
    if "mark" in before:
        _pop_to_mark(stack)
        before = before[: before.index("mark")]
    _pop(stack, len(before))
    stack += [PLAIN] * len(operation.stack_after)


def _pop(stack: list[Any], count: int) -> list[Any]:
    if count == 0:
        return []
    items = stack[-count:]
    del stack[-count:]
    return items


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    last = len(stack) - 1 - stack[::-1].index(MARK)
    items = stack[last + 1 :]
    del stack[last:]
    return items
