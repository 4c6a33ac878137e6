import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from launch.metrics.progress_bar import ProgressBar
from launch.metrics.run_log import RunLog, read_log
from tests.conftest import fill


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_numbers_stand_in_the_log_and_in_tensorboard(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0, print)
    log.log_scalars(1, {"loss/train": 0.5, "loss/outside_view": float("nan")})
    log.log_scalars(2, {"loss/train": 0.25})
    log.log_image(2, "reconstruction", np.zeros((4, 6, 3), np.uint8))
    log.close()
    assert read_log(tmp_path) == [{"step": 1, "loss/train": 0.5}, {"step": 2, "loss/train": 0.25}]
    assert scalars(tmp_path, "loss/train") == [(1, 0.5), (2, 0.25)]


def test_no_step_stands_twice_after_going_on(tmp_path: Path) -> None:
    for start, steps in ((0, (1, 2, 3, 4)), (2, (3, 4, 5))):
        log = RunLog(tmp_path, start, print)
        for step in steps:
            log.log_scalars(step, {"loss/train": float(step)})
        log.close()
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3, 4, 5]
    assert [step for step, _ in scalars(tmp_path, "loss/train")] == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_full_disk_does_not_take_is_written_when_there_is_room(
    small_disk: Callable[[int], Path],
) -> None:
    disk, said = small_disk(4), list[str]()
    log = RunLog(disk, 0, said.append)
    log.log_scalars(1, {"loss/train": 1.0})
    filler = fill(disk, leaving=0)
    before = (disk / "log.jsonl").read_text()
    for step in range(2, 200):  # until the events, too, must go to the disk
        log.log_scalars(step, {"loss/train": float(step), "loss/trivial": 1.0})
        log.log_image(
            step, "noise", np.random.default_rng(step).integers(256, size=(9, 9, 3), dtype=np.uint8)
        )
        time.sleep(0.001)
    assert (disk / "log.jsonl").read_text().startswith(before)
    assert len(said) == 1 and "cannot be written (No space left on device)" in said[0]
    filler.unlink()
    log.log_scalars(200, {"loss/train": 200.0})
    log.close()
    assert [line["step"] for line in read_log(disk)] == list(range(1, 201))
    assert [step for step, _ in scalars(disk, "loss/train")] == list(range(1, 201))


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    lines = json.dumps({"step": 1}) + "\n" + json.dumps({"step": 2})[:5]
    (tmp_path / "log.jsonl").write_text(lines)
    assert read_log(tmp_path) == [{"step": 1}]


def test_a_file_gets_plain_lines_and_a_terminal_one_line() -> None:
    for terminal in (False, True):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=120)
        progress = ProgressBar(range(0, 4), console)
        progress.print("data: [a] {b}")
        progress.update(2)
        progress.report(2, "loss 0.5")
        progress.close()
        assert "data: [a] {b}" in out.getvalue()
        assert "ETA 0:00:00  loss 0.5" in out.getvalue()
        assert "step 2/4  ETA" in out.getvalue()
        assert (out.getvalue().count("━") > 0) == terminal
        assert ("\x1b" in out.getvalue()) == terminal


def test_a_narrow_terminal_loses_the_end_of_the_line_and_the_bar() -> None:
    out = io.StringIO()
    progress = ProgressBar(range(0, 4), Console(file=out, force_terminal=True, width=40))
    progress.report(2, "loss 0.5  lr 1.00e-04  33.0 clips/s  data wait 1%")
    progress.close()
    assert "step 2/4  ETA 0:00:00  loss 0.5" in out.getvalue()
    assert "━" not in out.getvalue()
    assert "data wait" not in out.getvalue()
