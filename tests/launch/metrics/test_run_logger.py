"""Metrics in log.jsonl and in TensorBoard: resuming, a full disk, and the choice of loggers."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from launch.config import CheckpointConfig
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from launch.metrics.jsonl_log import read_log
from launch.metrics.loggers import LOGGERS, LogConfig, WandbConfig
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.run_logger import RunLogger
from launch.recipe import dump_recipe, validate
from tests.conftest import ROOT, fill


def open_logger(
    folder: Path, start: int = 0, log: LogConfig | None = None, rank: int = 0
) -> RunLogger:
    processes, skipped = Processes(rank, rank + 1), SkippedSteps(0, folder, {})
    steps = range(start, 1000)
    return RunLogger(log or LogConfig(), CheckpointConfig(), folder, processes, skipped, steps)


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return accumulator


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(name)]


def test_metrics_are_in_the_log_and_in_tensorboard(tmp_path: Path) -> None:
    logger = open_logger(tmp_path)
    logger.log(1, {"loss/train": 0.5, "loss/outside_fov": float("nan")})
    logger.log(2, {"loss/train": 0.25})
    logger.log_image(2, "reconstruction", np.zeros((4, 6, 3), np.uint8))
    logger.close()
    assert read_log(tmp_path) == [{"step": 1, "loss/train": 0.5}, {"step": 2, "loss/train": 0.25}]
    assert scalars(tmp_path, "loss/train") == [(1, 0.5), (2, 0.25)]
    assert [image.step for image in events(tmp_path).Images("reconstruction")] == [2]


def test_no_step_occurs_twice_after_a_resume(tmp_path: Path) -> None:
    for start, steps in ((0, (1, 2, 3, 4)), (2, (3, 4, 5))):
        logger = open_logger(tmp_path, start)
        for step in steps:
            logger.log(step, {"loss/train": float(step)})
        logger.close()
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3, 4, 5]
    assert [step for step, _ in scalars(tmp_path, "loss/train")] == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_full_disk_refuses_is_written_when_there_is_space(
    small_disk: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk(4)
    logger = open_logger(disk)
    logger.log(1, {"loss/train": 1.0})
    filler = fill(disk, leaving=0)
    before = (disk / "log.jsonl").read_text()
    for step in range(2, 200):  # until the events, too, must go to the disk
        logger.log(step, {"loss/train": float(step), "loss/constant_baseline": 1.0})
        noise = np.random.default_rng(step).integers(256, size=(9, 9, 3), dtype=np.uint8)
        logger.log_image(step, "noise", noise)
        time.sleep(0.001)
    assert (disk / "log.jsonl").read_text().startswith(before)
    printed = capsys.readouterr().out
    assert printed.count("warning") == 1
    assert "cannot be written (No space left on device)" in printed.replace("\n", " ")
    filler.unlink()
    logger.log(200, {"loss/train": 200.0})
    logger.close()
    assert [line["step"] for line in read_log(disk)] == list(range(1, 201))
    assert [step for step, _ in scalars(disk, "loss/train")] == list(range(1, 201))


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    lines = json.dumps({"step": 1}) + "\n" + json.dumps({"step": 2})[:5]
    (tmp_path / "log.jsonl").write_text(lines)
    assert read_log(tmp_path) == [{"step": 1}]


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    logger = open_logger(tmp_path, rank=1)
    logger.log(1, {"loss/train": 1.0})
    logger.close()
    assert not logger.is_writer and not list(tmp_path.iterdir())


def test_without_loggers_there_is_only_the_log(tmp_path: Path) -> None:
    logger = open_logger(tmp_path, log=validate(LogConfig, {"loggers": []}))
    logger.log(1, {"loss/train": 1.0})
    logger.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_loggers_are_names_or_mappings_and_each_once() -> None:
    config = validate(LogConfig, {"loggers": ["tensorboard", {"kind": "wandb", "project": "a"}]})
    assert config.loggers == (LOGGERS["tensorboard"](), WandbConfig(project="a"))
    assert "kind: wandb" in dump_recipe(config)
    for loggers, message in (
        (["tensorbord"], "did you mean tensorboard"),
        (
            ["tensorboard", "tensorboard"],
            "given twice in tensorboard, tensorboard; list it once",
        ),
        ([{"kind": "wandb", "projekt": "a"}], "projekt"),
    ):
        with pytest.raises(ConfigError, match=message):
            validate(LogConfig, {"loggers": loggers})


def test_a_missing_package_is_one_line_on_every_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WandbConfig, "package", "a_package_that_is_missing")
    for rank in (0, 1):
        with pytest.raises(ConfigError, match=r"log\.loggers: .* pip install a_package") as caught:
            open_logger(tmp_path, log=LogConfig(loggers=(WandbConfig(),)), rank=rank)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_table_is_read_without_torch_or_tensorboard() -> None:
    code = "import sys, launch.metrics.loggers; print({'torch', 'tensorboard'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
