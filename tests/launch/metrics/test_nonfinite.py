"""Steps without a finite gradient: counted, told, and too many of them end the run."""

from pathlib import Path

import pytest

from launch.metrics.nonfinite import NonFinite, SkippedStep, SkippedSteps


def bad(step: int, *recordings: str) -> SkippedStep:
    return SkippedStep(step, recordings or ("a.mp4",), by_scale=False)


def test_the_count_goes_on_when_the_run_does(tmp_path: Path) -> None:
    before = SkippedSteps(3, tmp_path, {})
    before.add([bad(1), bad(2)])
    after = SkippedSteps(3, tmp_path, before.counters)
    after.add([bad(3)])
    assert after.counters == {"skipped": 3, "overflows": 0}
    with pytest.raises(NonFinite):
        after.add([bad(4)])


def test_the_end_names_step_recordings_and_the_checkpoint_before(tmp_path: Path) -> None:
    for step in (10, 20):
        (tmp_path / f"step-00000{step}").mkdir()
    with pytest.raises(NonFinite) as caught:
        SkippedSteps(1, tmp_path, {}).add([bad(15), bad(21, "b.mp4", "a.mp4", "b.mp4")])
    message = str(caught.value)
    assert message.startswith("step 21: loss or gradient is not finite, on clips of a.mp4, b.mp4;")
    assert f"the checkpoint before is {tmp_path / 'step-0000010'};" in message
    assert (
        "2 such steps are more than engine.max_nonfinite_steps 1" in message and "\n" not in message
    )


def test_overflows_of_fp16_have_no_limit(tmp_path: Path) -> None:
    steps = SkippedSteps(0, tmp_path, {})
    steps.add([SkippedStep(step, ("a",), by_scale=True) for step in range(50)])
    assert steps.counters == {"skipped": 0, "overflows": 50}


def test_many_recordings_are_told_shortly() -> None:
    told = str(bad(1, *(f"{number}.mp4" for number in range(9))))
    assert told.endswith("on clips of 0.mp4, 1.mp4, 2.mp4, 3.mp4 and 5 more")
