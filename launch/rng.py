"""All randomness of a run is a function of (seed, epoch, sample), never of workers or ranks."""

import numpy as np

# One stream a purpose, so that a change in how one draws leaves the others as they were.
STREAMS = ("order", "clip", "crop", "mask", "mixing", "few")


def sample_rng(seed: int, epoch: int, sample: int, stream: str) -> np.random.Generator:
    """The generator of one sample of one epoch for one purpose (a row of STREAMS).

    Philox (Salmon et al., SC 2011) is counter-based: key and counter name the stream directly, so
    none overlaps another within 2^128 draws, and making one costs microseconds.
    """
    counter = [0, 0, sample, STREAMS.index(stream)]
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=counter))
