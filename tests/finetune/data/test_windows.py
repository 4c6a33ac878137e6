"""Windows: SurgVISTA's recorded samples, and no frame of the future in a causal one."""

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.data.windows import WindowSampling

RECORDED = json.loads((Path(__file__).parent / "fixtures/public_sampling.json").read_text())
SPACINGS = {0: "exponential", -2: "incremental"}
# in rows that cross into the next recording, or fail, upstream has an error
CASES = [case for case in RECORDED["cases"] if case.get("crosses_video") is False]


@pytest.mark.parametrize("strategy", ["online", "offline"])
def test_frames_equal_the_recorded_ones(strategy: str) -> None:
    cases = [case for case in CASES if case["strategy"] == strategy]
    assert len(cases) > 50
    for case in cases:
        kind = "causal" if strategy == "online" else "centred_published"
        spacing = SPACINGS.get(case["rate"], "even")
        window = WindowSampling(kind, float(max(case["rate"], 1)), spacing)
        first = case["index"] - case["frame_id"]
        times = window.times(case["frame_id"], case["clip_len"], case["video_len"] - 1)
        assert (times + first).tolist() == case["sampled"], case


@pytest.mark.parametrize("spacing", ["even", "exponential", "incremental"])
@pytest.mark.parametrize("frames", [1, 7, 16])
def test_a_causal_window_has_no_later_frame(spacing: str, frames: int) -> None:
    window = WindowSampling("causal", 0.7, spacing)
    for timestamp in np.linspace(0, 100, 41):
        times = window.times(timestamp, frames, 100.0)
        assert len(times) == frames
        assert times[-1] == timestamp == times.max() and times.min() >= 0


def test_a_window_never_leaves_its_recording() -> None:
    for kind in ("causal", "centred", "centred_published"):
        for timestamp in (0.0, 1.0, 49.5, 99.0):
            times = WindowSampling(kind, 4.0).times(timestamp, 16, 99.0)
            assert times.min() >= 0 and times.max() <= 99
            assert (np.diff(times) >= 0).all()


def test_a_centred_window_has_its_timestamp_once_in_the_middle() -> None:
    times = WindowSampling("centred", 1.0).times(50.0, 8, 100.0)
    assert times.tolist() == [47, 48, 49, 50, 51, 52, 53, 54]
    assert times[8 // 2 - 1] == 50
    assert WindowSampling("centred", 1.0).times(50.0, 7, 100.0).tolist() == list(range(47, 54))


@pytest.mark.parametrize("spacing", ["even", "exponential", "incremental"])
@pytest.mark.parametrize("timestamp", [0.0, 3.0, 50.0, 98.0, 100.0])
def test_a_published_window_repeats_its_timestamp_for_even_lengths_only(
    spacing: str, timestamp: float
) -> None:
    """SurgVISTA's two branches: with an odd length, the right half begins after a step."""
    ours, published = (
        WindowSampling(kind, 1.0, spacing) for kind in ("centred", "centred_published")
    )
    for frames in (1, 3, 7, 15):
        times = published.times(timestamp, frames, 100.0)
        assert times.tolist() == ours.times(timestamp, frames, 100.0).tolist()
    inner = published.times(50.0, 8, 100.0).tolist()
    assert len(inner) == 8 and inner.count(50.0) == 2 and inner[3:5] == [50.0, 50.0]


def test_a_timestamp_after_the_last_frame_is_classified_from_it() -> None:
    assert WindowSampling("causal", 1.0).times(100.4, 2, 100.0).tolist() == [99.0, 100.0]
