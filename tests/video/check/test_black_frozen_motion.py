"""Black, frozen and moving spans, from small pictures every half second."""

import numpy as np
import pytest

from video.check.black_frozen_motion import MAX_STORED, Thumbnails


def looks(pictures: list[np.ndarray]) -> Thumbnails:
    seen = Thumbnails()
    for n, picture in enumerate(pictures):
        time = n * 0.25
        if seen.is_due(time):
            seen.add(time, picture)
    return seen


def noisy(rng: np.random.Generator, level: float = 120, spread: float = 4) -> np.ndarray:
    return rng.normal(level, spread, (18, 32, 3)).clip(0, 255).astype(np.uint8)


def test_black_and_frozen_spans_are_found() -> None:
    rng = np.random.default_rng(0)
    still = noisy(rng)
    pictures = [noisy(rng) for _ in range(40)]  # 10 s
    pictures += [noisy(rng, 2, 2) for _ in range(20)]  # 5 s of black with noise
    pictures += [noisy(rng) for _ in range(20)]
    pictures += [still] * 40  # 10 s
    pictures += [noisy(rng) for _ in range(4)] + [still] * 8 + [noisy(rng)] * 4  # 2 s are too short
    seen = looks(pictures)
    assert seen.black(34.0) == ((10.0, 15.0),)
    ((begin, end),) = seen.frozen(34.0)
    assert (begin, end) == (pytest.approx(20.0), pytest.approx(29.5))


def test_the_end_may_be_black() -> None:
    rng = np.random.default_rng(0)
    seen = looks([noisy(rng) for _ in range(20)] + [np.zeros((18, 32, 3), np.uint8)] * 20)
    assert seen.black(10.2) == ((5.0, 10.2),)
    assert seen.frozen(10.2) == ()  # black is black, not frozen


def test_motion_is_measured_by_part() -> None:
    rng = np.random.default_rng(0)
    quiet = [noisy(rng, spread=1) for _ in range(200)]
    lively = [noisy(rng, spread=9) for _ in range(200)]
    digits = looks(quiet + lively + quiet).motion(150.0)
    assert len(digits) == 15
    assert set(digits[:4] + digits[11:]) == {"1"}
    assert set(digits[6:9]) <= {"8", "9"}
    assert looks([noisy(rng)]).motion(1.0) == ""


def test_memory_does_not_grow_with_length() -> None:
    seen = looks([np.zeros((2, 2, 3), np.uint8)] * 10_000)
    assert MAX_STORED // 2 <= len(seen.stored) <= MAX_STORED
