"""How the memory of a process on CPU cores is given back, which costs more than it saves."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of glibc's mallopt(3)
MANY = 2**31 - 1


def disable_malloc_trim(largest: int | None = None) -> bool:
    """Freed tensors stay with the process for the next ones; False where that cannot be had.

    By default glibc returns large blocks to the kernel at once, and every step takes them anew,
    page by page, a fault and a page of zeros each. Does nothing for memory of a GPU. Blocks of
    `largest` bytes or more are given back all the same, for those who take blocks of ever other
    sizes, which would not find room between those that are kept.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    settings = {M_TRIM_THRESHOLD: MANY, M_MMAP_MAX: 0 if largest is None else MANY}
    if largest is not None:
        settings[M_MMAP_THRESHOLD] = largest
    return all([mallopt(*setting) for setting in settings.items()])
