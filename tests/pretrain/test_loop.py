"""The training loop: when the host waits for the device."""

import json
from pathlib import Path

from tests.conftest import run_python
from tests.pretrain.runs import words

PROGRAM = str(Path(__file__).parent / "loop_program.py")


def test_the_host_waits_for_the_device_at_logged_steps_only(
    operations: Path, tmp_path: Path
) -> None:
    quiet = (
        "log={every_steps: 5, images_every_steps: 100, feature_clips: 2}",
        "data.workers=1",
        "checkpoint.every_steps=100",
        "engine={zero_stage: 2, precision: bf16, clip_grad_norm: 0.1}",
    )
    given = words(operations, tmp_path / "run", *quiet)
    lines = run_python(PROGRAM, *given)
    marks = json.loads(lines[-1])
    assert len(marks) == 24, "4 micro-batches of each of 6 steps"
    logged = [4, 20]  # the first micro-batches after step 1 and step 5
    for number in range(2, 24):  # the first one copies constants, which stay on the device
        waited = marks[number] != marks[number - 1]
        assert waited == (number in logged), (number, marks[number])
