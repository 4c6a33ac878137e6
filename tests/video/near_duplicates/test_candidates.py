"""Candidates are exactly the pairs with enough near frames: no pair that matches is lost."""

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video.near_duplicates import candidates, match
from video.near_duplicates.candidates import Stack, candidates_between, candidates_within
from video.near_duplicates.fingerprint import Fingerprint
from video.near_duplicates.frame_hash import BITS, HASH_BYTES, MIRRORS
from video.near_duplicates.match import MIN_VOTES, NEAR, compare
from video.near_duplicates.pairs import SimilarPair, similar_between, similar_within

MIRRORED_BITS = [np.packbits(np.append(signs < 0, False)) for signs in MIRRORS.values()]


def variant(whole: Fingerprint, rng: np.random.Generator, noise: float) -> Fingerprint:
    """A part of a recording, later, mirrored, sometimes faster, in which some bits differ."""
    begin, end = sorted(rng.integers(0, len(whole.times) + 1, 2))
    if end - begin < 8:
        begin, end = 0, int(rng.integers(8, len(whole.times) + 1))
    step = int(rng.integers(1, 3)) if end - begin >= 16 else 1
    flipped = np.packbits(rng.random((end - begin, BITS + 1)) < noise, axis=1)
    hashes = whole.hashes[begin:end] ^ flipped ^ MIRRORED_BITS[rng.integers(len(MIRRORED_BITS))]
    times = np.round((whole.times[begin:end] + rng.integers(0, 30)) * rng.choice([1, 1.2]), 2)
    return Fingerprint(times[::step], hashes[::step])


def made_up(seed: int, recordings: int, most: int) -> list[Fingerprint]:
    """Variants of a few recordings of random frames, of which a few are shown often."""
    rng = np.random.default_rng(seed)
    wholes = []
    for frames in rng.integers(8, most + 1, recordings // 3 + 1):
        hashes = rng.integers(0, 256, (frames, HASH_BYTES), np.uint8)
        hashes[rng.random(frames) < 0.1] = 0  # a title
        times = np.round(np.cumsum(rng.random(frames)), 2)
        wholes.append(Fingerprint(times, hashes))
    return [
        variant(wholes[rng.integers(len(wholes))], rng, rng.choice([0, 0.05, 0.15, 0.2]))
        for _ in range(recordings)
    ]


def votes(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether in one mirror enough frames of both are near, bit by bit."""
    frames, work = (len(one.times), len(other.times)), match.MAX_WORK
    step = -(-min(frames) // max(work // max(frames), 1))
    first = one.hashes[::step] if frames[0] <= frames[1] else one.hashes
    second = other.hashes if frames[0] <= frames[1] else other.hashes[::step]
    for mirrored in MIRRORED_BITS:
        differing = np.unpackbits(first[:, None] ^ second ^ mirrored, axis=2)[:, :, :BITS]
        near = differing.sum(axis=2) <= NEAR
        if min(near.any(axis=axis).sum() for axis in (0, 1)) >= MIN_VOTES:
            return True
    return False


def plain(pairs: Sequence[tuple[tuple[int, Fingerprint], tuple[int, Fingerprint]]]) -> list:
    compared = [(one, other, compare(first, second)) for (one, first), (other, second) in pairs]
    return [SimilarPair(*each) for each in compared if each[2] is not None]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 9), st.sampled_from([12, 40, 90]), st.booleans())
def test_no_match_is_lost_and_only_voting_pairs_are_candidates(
    seed: int, recordings: int, most: int, small_blocks: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        if small_blocks:
            patched.setattr(match, "MAX_WORK", 2**9)  # so that recordings are thinned
            patched.setattr(candidates, "BLOCK_FRAMES", 64)
            patched.setattr(candidates, "TILE", 2**8)
        known = made_up(seed, recordings, most)
        found = list(candidates_within(Stack.of(known)))
        numbered = list(enumerate(known))
        pairs = list(combinations(numbered, 2))
        expected = [(a, b) for (a, one), (b, other) in pairs if votes(one, other)]
        assert sorted(tuple(p) for _, block in found for p in block.tolist()) == expected
        assert sum(count for count, _ in found) == len(pairs)
        texts = [each.text() for each in known]
        by_second = sorted(pairs, key=lambda pair: (pair[1][0], pair[0][0]))
        assert list(similar_within(texts)) == plain(by_second)

        middle = recordings // 2
        ones, others = numbered[:middle], [(n - middle, each) for n, each in numbered[middle:]]
        between = list(product(ones, others))
        stacks = [Stack.of([each for _, each in side]) for side in (ones, others)]
        found = list(candidates_between(*stacks))
        expected = [(a, b) for (a, one), (b, other) in between if votes(one, other)]
        assert sorted(tuple(p) for _, block in found for p in block.tolist()) == expected
        assert sum(count for count, _ in found) == len(between)
        assert list(similar_between(texts[:middle], texts[middle:])) == plain(between)


def test_long_recordings_are_thinned_as_they_are_compared() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (2000, HASH_BYTES), np.uint8)
    whole = Fingerprint(np.arange(2000) * 4.0, hashes)
    noisy = np.packbits(rng.random((2000, BITS + 1)) < 0.1, axis=1) ^ MIRRORED_BITS[1]
    known = [whole, whole._replace(hashes=hashes ^ noisy), whole._replace(hashes=hashes[::-1] + 77)]
    found = [
        tuple(pair) for _, pairs in candidates_within(Stack.of(known)) for pair in pairs.tolist()
    ]
    assert found == [(0, 1)]


def test_every_number_of_different_bits_is_judged_in_every_mirror() -> None:
    """Opposite and equal frames are the largest sums, which float32 must hold exactly."""
    rng = np.random.default_rng(0)
    for mirrored, bits in product(MIRRORED_BITS, range(BITS + 1)):
        one = rng.integers(0, 256, (8, HASH_BYTES), np.uint8)
        flipped = np.zeros((8, BITS + 1), np.uint8)
        flipped[:, :bits] = 1
        other = one ^ np.packbits(rng.permuted(flipped[:, :BITS], axis=1), axis=1) ^ mirrored
        known = [Fingerprint(np.arange(8.0), hashes) for hashes in (one, other)]
        ((_, found),) = candidates_within(Stack.of(known))
        assert len(found) == votes(*known)
        assert votes(*known) or bits > NEAR
