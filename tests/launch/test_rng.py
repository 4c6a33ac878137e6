import numpy as np

from launch.rng import STREAMS, sample_rng


def draw(seed: int, epoch: int, sample: int, stream: str) -> tuple[float, ...]:
    return tuple(sample_rng(seed, epoch, sample, stream).random(4))


def test_a_generator_is_a_function_of_its_name() -> None:
    assert draw(1, 2, 3, "mask") == draw(1, 2, 3, "mask")


def test_every_part_of_the_name_matters() -> None:
    names = [
        (s, e, i, stream)
        for s in range(3)
        for e in range(3)
        for i in range(50)
        for stream in STREAMS
    ]
    assert len({draw(*name) for name in names}) == len(names)


def test_neighbouring_samples_are_uncorrelated() -> None:
    first = np.array([sample_rng(0, 0, i, "mask").random() for i in range(4000)])
    assert abs(first.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.05
