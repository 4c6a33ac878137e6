"""Hashes of frames that survive re-encoding, and that a mirrored frame changes in a known way.

The signs of the lowest coefficients of the discrete cosine transform, as in pHash (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010) with the signs of
sign-only correlation (Ito & Kiya, ICASSP 2007) instead of a median. A mirrored frame has the same
coefficients, with the other sign where their number along that axis is odd.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Int8, UInt8

ORDERS = 8  # of cosines along each axis
FREQUENCIES = [(u, v) for u in range(ORDERS) for v in range(ORDERS) if u or v]  # rows, columns
BITS = len(FREQUENCIES)
HASH_BYTES = 8
ROWS, COLUMNS = 72, 96  # of a frame that is hashed; others of about this size do as well
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
MIN_CONTRAST = 3.0  # grey levels: the standard deviation of a frame that shows something

# Signs of the bits in a mirrored frame.
MIRRORS: dict[str, Int8[np.ndarray, " bits"]] = {
    name: np.array([(-1) ** (rows * u + columns * v) for u, v in FREQUENCIES], np.int8)
    for name, rows, columns in (
        ("", 0, 0),
        ("mirrored left to right", 0, 1),
        ("upside down", 1, 0),
        ("rotated by 180 degrees", 1, 1),
    )
}


def hash_frame(image: UInt8[np.ndarray, "y x 3"]) -> bytes | None:
    """The hash of a small frame; None for a black or even one, which shows nothing.

    A window darkens the frame towards its edges, so that borders count little.
    """
    rows, columns, window = _transform(image.shape[0], image.shape[1])
    windowed = (image.reshape(-1, 3).astype(np.float32) @ LUMA).reshape(window.shape) * window
    windowed -= window * (windowed.sum() / window.sum())
    if np.linalg.norm(windowed) < MIN_CONTRAST * np.linalg.norm(window):
        return None
    positive = (rows @ windowed @ columns > 0).ravel()[1:]
    return np.packbits(np.append(positive, False)).tobytes()


@cache
def _transform(
    rows: int, columns: int
) -> tuple[Float[np.ndarray, "orders y"], Float[np.ndarray, "x orders"], Float[np.ndarray, "y x"]]:
    """The cosines of the transform along both axes, and the window."""
    places = [(np.arange(size, dtype=np.float32) + 0.5) / size for size in (rows, columns)]
    down, across = (np.cos(np.pi * np.outer(np.arange(ORDERS), each)) for each in places)
    window = np.outer(*(np.sin(np.pi * each) for each in places))
    return down.astype(np.float32), across.T.astype(np.float32), window.astype(np.float32)


def signs_of(hashes: UInt8[np.ndarray, "n bytes"]) -> Int8[np.ndarray, "n bits"]:
    """The bits of hashes as 1 and -1; half of `BITS` minus the product counts different bits."""
    return np.unpackbits(hashes, axis=1)[:, :BITS].astype(np.int8) * 2 - 1
