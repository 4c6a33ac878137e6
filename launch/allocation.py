"""How the memory of a process on CPU cores is given back, which costs more than it saves."""

import ctypes

M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1  # of glibc's mallopt(3)


def keep_freed_memory() -> bool:
    """Freed tensors stay with the process for the next ones; False where that cannot be had.

    By default glibc returns large blocks to the kernel at once, and every step takes them anew,
    page by page, a fault and a page of zeros each. Does nothing for memory of a GPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
