"""Where the host would wait for a GPU, counted on a CPU."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# what has a value on the host as its result, or a shape that the values decide
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "is_nonzero"}
# a new tensor of a number of the host, which on a GPU is copied from memory that is not pinned
COPYING = {"lift_fresh"}
COPIED = {"tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__"}


class _Operations(TorchDispatchMode):
    def __init__(self, seen: Counter[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        if name in WAITING | COPYING:
            self._seen[name] += 1
        return function(*args, **(kwargs or {}))


class _Calls(TorchFunctionMode):
    """Those that a CPU answers without an operation that a dispatch mode would see."""

    def __init__(self, seen: Counter[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        if name in COPIED:
            self._seen[name] += 1
        return function(*args, **(kwargs or {}))


@contextmanager
def counted_waits() -> Iterator[Counter[str]]:
    """Counts by the name of the operation or call that makes the host wait."""
    seen: Counter[str] = Counter()
    with _Operations(seen), _Calls(seen):
        yield seen


def waits_of(work: Callable[[], object]) -> dict[str, int]:
    with counted_waits() as seen:
        work()
    return dict(seen)
