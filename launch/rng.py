"""Random generators that depend on (seed, epoch, sample), not on workers or ranks."""

import numpy as np

# One stream for each purpose: a change in one does not change the others.
STREAMS = ("order", "clip", "crop", "mask", "mixing", "few")


def sample_rng(seed: int, epoch: int, sample: int, stream: str) -> np.random.Generator:
    """The generator of one sample of one epoch for one purpose (one of STREAMS).

    Philox (Salmon et al., SC 2011) is counter-based: key and counter identify the stream, streams
    do not overlap within 2^128 draws, and creating one takes microseconds.
    """
    counter = [0, 0, sample, STREAMS.index(stream)]
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=counter))
