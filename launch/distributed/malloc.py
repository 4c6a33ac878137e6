"""Keeps freed memory in a process on CPU cores, because returning it costs more than it saves."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of glibc's mallopt(3)
MAX_INT = 2**31 - 1


def disable_malloc_trim(largest: int | None = None) -> bool:
    """Makes freed tensors stay in the process for the next ones; False if it has no effect.

    By default glibc returns large blocks to the kernel at once, and every step gets them again,
    page by page, with a page fault and zeroing each. Blocks of `largest` bytes or more are still
    returned: blocks of many different sizes would fragment the memory. GPU memory is not affected.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return False
    settings = {M_TRIM_THRESHOLD: MAX_INT, M_MMAP_MAX: 0 if largest is None else MAX_INT}
    if largest is not None:
        settings[M_MMAP_THRESHOLD] = largest
    return all([mallopt(*setting) for setting in settings.items()])
