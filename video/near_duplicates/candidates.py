"""Pairs of recordings with enough frames in common for `compare`, found for many at a time.

One product of float32 matrices counts the different bits of frames in all four mirrors. A parity
bit is added to each hash, and a mirrored frame changes 32 of the 64 bits or none, so the product d
of two frames' signs is 64 - 2 x (an even number of different bits): a multiple of 4 in each mirror.
The sum over mirrors m of 64**m x d is then exact in float32: up to 63 terms of it stay below 2**24,
and the whole is a multiple of 4 below 2**26. As an integer, LIFT added to it sets a bit for each
mirror in which the two frames are near.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from video.near_duplicates.fingerprint import Fingerprint
from video.near_duplicates.frame_hash import HASH_BYTES, MIRRORS, signs_of
from video.near_duplicates.match import MIN_VOTES, NEAR, thinning
from video.near_duplicates.small_products import multiply

BLOCK_FRAMES = 2**17  # whose signs are in memory: 256 bytes each, and as much while they are made
TILE = 2**17  # pairs of frames: 8 bytes each, so that they stay in the cache
SIGNS = HASH_BYTES * 8
FIELD = 6  # bits for each mirror, above the two that are zero: (d + 64) / 4 needs 33 values
DIGITS = 2.0 ** (FIELD * np.arange(len(MIRRORS)))
IS_NEAR = 2 ** (FIELD * np.arange(len(MIRRORS), dtype=np.int32) + FIELD + 1)
NEAR_PRODUCT = SIGNS - 2 * (NEAR + NEAR % 2)  # of two frames that are just near
LIFT = np.float32((IS_NEAR[0] - NEAR_PRODUCT) * DIGITS.sum())
MIRRORING = np.array([[*signs, 1] for signs in MIRRORS.values()])  # of the parity bit: none


class Stack(NamedTuple):
    """Recordings, those with fewer frames first, and the hashes of all their frames."""

    numbers: Int64[np.ndarray, " recordings"]  # their positions in the set
    frames: Int64[np.ndarray, " recordings"]  # of each
    begins: Int64[np.ndarray, " recordings_and_end"]  # of each in `hashes`, and the end
    hashes: UInt8[np.ndarray, "n bytes"]

    @classmethod
    def of(cls, fingerprints: Sequence[Fingerprint]) -> "Stack":
        """Of those with as many frames, the earlier is first: `compare` thins that one."""
        frames = np.array([len(each.times) for each in fingerprints], np.int64)
        numbers = np.argsort(frames, kind="stable").astype(np.int64)
        hashes = [np.empty((0, HASH_BYTES), np.uint8), *(fingerprints[n].hashes for n in numbers)]
        begins = np.concatenate([[0], np.cumsum(frames[numbers])]).astype(np.int64)
        return cls(numbers, frames[numbers], begins, np.concatenate(hashes))


Found = Iterator[tuple[int, Int64[np.ndarray, " found"]]]


def candidates_within(stack: Stack) -> Found:
    """For blocks of pairs: how many pairs they are, and rows of positions of the candidates.

    A candidate has, in one mirror, MIN_VOTES frames of each recording that are near to one of the
    other, where both are thinned as in `compare`, which returns None for all other pairs.
    """
    for pairs, found in _candidates(stack, stack, np.arange(len(stack.frames)) + 1):
        yield pairs, np.sort(found, axis=1)


def candidates_between(ones: Stack, others: Stack) -> Found:
    """The same for pairs of one recording of each set."""
    yield from _candidates(ones, others, np.searchsorted(others.frames, ones.frames, "left"))
    firsts = np.searchsorted(ones.frames, others.frames, "right")
    for pairs, found in _candidates(others, ones, firsts):
        yield pairs, found[:, ::-1]


def _candidates(shorter: Stack, longer: Stack, firsts: Int64[np.ndarray, " recordings"]) -> Found:
    """Of each recording of `shorter` and those of `longer` from its place in `firsts` on."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for begin, end in _blocks(longer):
            weighted = _weighted(longer.hashes[longer.begins[begin] : longer.begins[end]])
            starts = np.maximum(firsts, begin).tolist()
            pending = [
                (n, first, threads.submit(_of_one, shorter, n, longer, first, end, weighted))
                for n, first in enumerate(starts)
                if first < end
            ]
            try:
                for n, first, result in pending:
                    others = longer.numbers[result.result()]
                    yield (
                        end - first,
                        np.stack([np.full_like(others, shorter.numbers[n]), others], 1),
                    )
            finally:
                for _, _, result in pending:
                    result.cancel()


def _of_one(
    shorter: Stack,
    n: int,
    longer: Stack,
    first: int,
    end: int,
    weighted: Float32[np.ndarray, "n signs"],
) -> Int64[np.ndarray, " found"]:
    """Places in `longer`, from `first` to `end`, of candidates with recording n of `shorter`.

    `weighted` has the frames of a block that ends at `end`.
    """
    signs = _signs(shorter.hashes[shorter.begins[n] : shorter.begins[n + 1]])
    begins = longer.begins - (longer.begins[end] - len(weighted))
    steps = thinning(int(shorter.frames[n]), longer.frames[first:end])
    edges = first + np.flatnonzero(np.diff(steps, prepend=0, append=0))
    found = [
        low + _enough(signs[:: steps[low - first]], weighted, begins[low : high + 1])
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    return np.concatenate(found)


def _blocks(stack: Stack) -> Iterator[tuple[int, int]]:
    """Begin and end of recordings with up to BLOCK_FRAMES together, or one with more."""
    begin = 0
    while begin < len(stack.frames):
        limit = stack.begins[begin] + BLOCK_FRAMES
        end = max(int(np.searchsorted(stack.begins, limit, "right")) - 1, begin + 1)
        yield begin, end
        begin = end


def _signs(hashes: UInt8[np.ndarray, "n bytes"]) -> Float32[np.ndarray, "n signs"]:
    """The signs of hashes and of their parity."""
    signs = signs_of(hashes)
    parity = signs.prod(axis=1, keepdims=True, dtype=np.int8)
    return np.concatenate([signs, parity], axis=1).astype(np.float32)


def _weighted(hashes: UInt8[np.ndarray, "n bytes"]) -> Float32[np.ndarray, "n signs"]:
    """The signs in all mirrors, as digits of one number."""
    signs = _signs(hashes)
    signs *= (DIGITS @ MIRRORING).astype(np.float32)
    return signs


def _enough(
    signs: Float32[np.ndarray, "rows signs"],
    weighted: Float32[np.ndarray, "n signs"],
    begins: Int64[np.ndarray, " recordings_and_end"],
) -> Int64[np.ndarray, " found"]:
    """Which recordings have, in one mirror, MIN_VOTES near frames of both sides."""
    tiles = _near(signs, weighted[begins[0] : begins[-1]])
    near = np.concatenate([np.bitwise_or.reduce(tile, axis=0) for tile in tiles])
    columns = np.flatnonzero(near & IS_NEAR.sum())
    recordings = np.searchsorted(begins - begins[0], columns, "right") - 1
    enough = np.zeros((len(IS_NEAR), len(begins) - 1), bool)
    for mirror, bit in enumerate(IS_NEAR):
        voting = recordings[near[columns] & bit != 0]
        enough[mirror] = np.bincount(voting, minlength=len(begins) - 1) >= MIN_VOTES
    for n in np.flatnonzero(enough.any(axis=0)).tolist():
        tiles = _near(signs, weighted[begins[n] : begins[n + 1]])
        rows = np.bitwise_or.reduce([np.bitwise_or.reduce(tile, axis=1) for tile in tiles], axis=0)
        enough[:, n] &= np.count_nonzero(rows & IS_NEAR[:, None], axis=1) >= MIN_VOTES
    return np.flatnonzero(enough.any(axis=0))


def _near(
    signs: Float32[np.ndarray, "rows signs"], weighted: Float32[np.ndarray, "n signs"]
) -> Iterator[Int32[np.ndarray, "rows columns"]]:
    """Tiles of pairs of frames, with the bits of IS_NEAR. A tile is overwritten by the next."""
    width = min(max(TILE // len(signs), 1), len(weighted))
    products = np.empty((len(signs), width), np.float32)
    lifted = np.empty(products.shape, np.int32)
    for left in range(0, len(weighted), width):
        part = weighted[left : left + width]
        product, tile = (each[:, : len(part)] for each in (products, lifted))
        multiply(signs, part, product)
        np.add(product, LIFT, out=tile, casting="unsafe")
        yield tile
