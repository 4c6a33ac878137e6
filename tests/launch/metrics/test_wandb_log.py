"""Weights & Biases with its real package, where it is installed."""

import socket
import time
from pathlib import Path

import numpy as np
import pytest

from launch.metrics.loggers import LoggerContext, WandbConfig, WriteWarning
from tests.conftest import HANG_LIMIT

pytest.importorskip("wandb")


def open_wandb(folder: Path, config: WandbConfig, warnings: list[str]):
    (folder / "config.yaml").write_text("run: a\n")
    return config.open(LoggerContext(folder, 0, list, warnings.append, WriteWarning(print)))


def test_an_offline_run_has_scalars_and_images_and_keeps_its_identifier(tmp_path: Path) -> None:
    warnings = list[str]()
    for _ in range(2):
        logger = open_wandb(tmp_path, WandbConfig(mode="offline", timeout=120), warnings)
        logger.log_scalars(1, {"loss/train": 0.5})
        logger.log_image(1, "reconstruction", np.zeros((8, 8, 3), np.uint8))
        logger.close()
    assert not warnings
    files = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    identifier = (tmp_path / "wandb_run_id").read_text()
    assert files and {file.name for file in files} == {f"run-{identifier}.wandb"}
    assert all(b"loss/train" in file.read_bytes() for file in files)
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/images/reconstruction*.png"))


def test_a_service_that_does_not_answer_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = list[str]()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        logger = open_wandb(tmp_path, WandbConfig(timeout=3), warnings)
        logger.log_scalars(1, {"loss/train": 0.5})
        began = time.monotonic()
        logger.close()
        assert time.monotonic() - began < HANG_LIMIT
    assert len(warnings) == 1 and "wandb failed (it did not answer within 3 s)" in warnings[0]
