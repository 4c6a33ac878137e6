import numpy as np
import pytest

from masking.exact_counts import choose, flip_to_count, indices_of


def rngs(samples: int) -> list[np.random.Generator]:
    return [np.random.default_rng(sample) for sample in range(samples)]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_choose_takes_exactly_the_count(count: int) -> None:
    assert (choose(10, count, rngs(50)).sum(axis=1) == count).all()


def test_choose_takes_every_unit_equally_often() -> None:
    share = choose(8, 2, rngs(4000)).mean(axis=0)
    np.testing.assert_allclose(share, 0.25, atol=0.03)  # four standard deviations


def test_flip_reaches_the_count_with_the_fewest_flips() -> None:
    chosen = choose(20, 8, rngs(30))
    for count in (0, 5, 8, 13, 20):
        flipped = flip_to_count(chosen, count, rngs(30))
        assert (flipped.sum(axis=1) == count).all()
        assert ((flipped != chosen).sum(axis=1) == abs(count - 8)).all()


def test_flip_counts_and_flips_only_among_the_given_tokens() -> None:
    chosen, among = choose(20, 8, rngs(30)), choose(20, 10, rngs(30)[::-1])
    flipped = flip_to_count(chosen, 4, rngs(30), among)
    assert ((flipped & among).sum(axis=1) == 4).all()
    assert (flipped == chosen)[~among].all()


def test_a_sample_with_the_count_is_left_alone_and_draws_nothing() -> None:
    chosen, generators = choose(20, 8, rngs(3)), rngs(3)
    chosen[1, np.flatnonzero(chosen[1])[0]] = False
    flipped = flip_to_count(chosen, 8, generators)
    assert (flipped == chosen).all(axis=1).tolist() == [True, False, True]
    drawn = [used.random() != new.random() for used, new in zip(generators, rngs(3), strict=True)]
    assert drawn == [False, True, False]


def test_a_count_above_the_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="count 21"):
        flip_to_count(np.zeros((1, 20), dtype=bool), 21, rngs(1))


def test_indices_are_ascending() -> None:
    chosen = np.array([[False, True, True, False], [True, False, False, True]])
    assert indices_of(chosen, 2).tolist() == [[1, 2], [0, 3]]
