"""Fingerprints: their text, their times, and frames that show nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from video.near_duplicates.fingerprint import (
    INTERVAL,
    MAX_FRAMES,
    FingerprintBuilder,
    fingerprint_of,
    parse_fingerprint,
    sample_times,
    valid_fingerprint,
    within_header,
)

CELL_OF_A_SPREADSHEET = 32_767


def images(number: int, seed: int = 0) -> list[tuple[float, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(n / 4, rng.integers(0, 255, (18, 24, 3), np.uint8)) for n in range(number)]


def test_a_fingerprint_survives_as_text() -> None:
    known = fingerprint_of(images(50))
    parsed = parse_fingerprint(known.text())
    assert parsed is not None
    assert np.array_equal(parsed.times, known.times) and np.array_equal(parsed.hashes, known.hashes)
    assert len(known.times) == 50


@pytest.mark.parametrize("text", ["x", "1:%%%", "1:AAAA", "1:" + "A" * 16 * (MAX_FRAMES + 1)])
def test_a_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        valid_fingerprint(text)


def test_the_longest_text_fits_a_cell_of_a_spreadsheet() -> None:
    text = fingerprint_of([(n / 4, images(1)[0][1]) for n in range(MAX_FRAMES)]).text()
    assert len(text) <= CELL_OF_A_SPREADSHEET
    assert valid_fingerprint(text) == text


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.1, 1), (10.0, 40), (600.0, 256), (3600.0, 900), (1e6, MAX_FRAMES)]
)
def test_times_are_ascending_one_in_each_part(seconds: float, frames: int) -> None:
    times = sample_times(seconds)
    assert len(times) == frames
    assert np.array_equal(np.floor(times / seconds * frames + 1e-9), np.arange(frames))


@pytest.mark.parametrize("shift", [0.0, 1.0, 217.37, 1000.1])
def test_after_any_shift_some_times_of_two_recordings_are_close(shift: float) -> None:
    one, other = sample_times(7200.0) - shift, sample_times(7200.0 - shift)
    distances = np.abs(one[:, None] - other[None]).min(axis=1)
    expected = (7200 - shift) / INTERVAL * 2 * 0.25 / INTERVAL
    assert (distances < 0.25).sum() > 0.5 * expected


def test_only_due_frames_that_show_something_are_hashed() -> None:
    builder, black = FingerprintBuilder(4.0), np.zeros((18, 24, 3), np.uint8)
    added = 0
    for n, (_, image) in enumerate(images(100)):
        if builder.is_due(n / 25):
            builder.add(n / 25, black if n % 2 else image)
            added += 1
    assert added == 16
    assert 0 < len(builder.fingerprint().times) < 16


def test_a_thinned_fingerprint_has_frames_from_all_of_it() -> None:
    known = fingerprint_of(images(50))
    assert known.thinned(20).times.tolist() == known.times[::3].tolist()
    assert len(known.thinned(0).times) <= 1


def test_the_fingerprints_of_many_long_recordings_fit_into_a_file_of_weights(
    tmp_path: Path,
) -> None:
    long = fingerprint_of([(n / 4, images(1)[0][1]) for n in range(MAX_FRAMES)]).text()
    entries = [{"path": f"{n}.mp4", "fingerprint": long} for n in range(3999)]
    entries.append({"path": "old.mp4", "fingerprint": ""})
    with pytest.raises(SafetensorError, match="header too large"):
        save_file({"x": np.zeros(1)}, tmp_path / "x", {"recordings": json.dumps(entries)})
    kept = within_header(entries)
    save_file({"x": np.zeros(1)}, tmp_path / "x", {"recordings": json.dumps(kept)})
    frames = {
        len(known.times) for each in kept[:-1] if (known := parse_fingerprint(each["fingerprint"]))
    }
    assert len(frames) == 1 and frames.pop() > 300
    assert [each["path"] for each in kept] == [each["path"] for each in entries]
    assert kept[-1] == entries[-1]
    assert within_header(entries[:5]) == entries[:5]


def test_frames_after_five_hundred_days_are_left_out() -> None:
    known = fingerprint_of((n * 1e6, image) for n, (_, image) in enumerate(images(60)))
    assert known.times.tolist() == [n * 1e6 for n in range(43)]
    assert valid_fingerprint(known.text())
