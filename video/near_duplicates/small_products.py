"""A product of matrices as many small ones, each by one thread.

Threads of a BLAS library that wait for each other cost up to ten times as much where other
processes use the cores. OpenBLAS wakes them above 2**18 multiplications.
"""

import numpy as np
from jaxtyping import Float32

ROWS, COLUMNS = 48, 16  # of one product, of vectors of 64 numbers


def multiply(
    left: Float32[np.ndarray, "rows k"],
    right: Float32[np.ndarray, "columns k"],
    out: Float32[np.ndarray, "rows columns"],
) -> None:
    """`left @ right.T`. `right` is contiguous."""
    whole = len(right) // COLUMNS * COLUMNS
    parts = right[:whole].reshape(-1, COLUMNS, right.shape[1]).transpose(0, 2, 1)
    for top in range(0, len(left), ROWS):
        some, result = left[top : top + ROWS], out[top : top + ROWS]
        by_part = result[:, :whole].reshape(len(some), -1, COLUMNS).transpose(1, 0, 2)
        np.matmul(some, parts, out=by_part)
        np.matmul(some, right[whole:].T, out=result[:, whole:])
