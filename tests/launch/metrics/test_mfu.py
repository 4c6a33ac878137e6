"""Model FLOPs utilization of GPUs, by full name and precision."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from launch.config import CheckpointConfig
from launch.distributed.process_group import Processes
from launch.metrics.loggers import LogConfig
from launch.metrics.nonfinite import SkippedSteps
from launch.metrics.run_logger import RunLogger
from launch.metrics.step_meter import Interval
from tests.launch.distributed.gpu_machine import install_machine

INTERVAL = Interval(loss=1.0, reads=400, failures=(), skipped=(), seconds=2.0, data_wait=0.0)
FLOPS = 1e11  # of a clip


@pytest.fixture
def mfu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], tuple[float | None, list[str]]]]:
    """The MFU of 8 GPUs of a name in a precision, logged twice, with the lines said."""
    for name in ("CUDA_VISIBLE_DEVICES", "DS_ACCELERATOR"):
        monkeypatch.delenv(name, raising=False)
    install_machine(monkeypatch, ["uuid-0"])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 0)
    kept = torch.backends.cuda.matmul.fp32_precision

    def logged(name: str, precision: str) -> tuple[float | None, list[str]]:
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
        skipped, said = SkippedSteps(0, tmp_path, {}), list[str]()
        logger = RunLogger(
            LogConfig(loggers=()), CheckpointConfig(), tmp_path, Processes(0, 8), skipped, range(9)
        )
        monkeypatch.setattr(logger, "info", said.append)
        metrics = [logger.speed_metrics(INTERVAL, 1, FLOPS, precision) for _ in range(2)]
        logger.close()
        assert metrics[0] == metrics[1]
        return metrics[0].get("speed/mfu"), said

    yield logged
    torch.backends.cuda.matmul.fp32_precision = kept


def test_the_peak_is_that_of_card_and_precision(mfu: Callable) -> None:
    done = 200 * FLOPS / 8  # operations per second of each GPU
    for name, precision, peak in (
        ("NVIDIA H100 80GB HBM3", "bf16", 989e12),
        ("NVIDIA H100 PCIe", "bf16", 756e12),
        ("NVIDIA H100 PCIe", "fp32", 51e12),
        ("NVIDIA B200", "bf16", 2250e12),
        ("Tesla V100-SXM2-32GB", "fp16", 125e12),
    ):
        share, said = mfu(name, precision)
        assert share == pytest.approx(done / peak) and said == []


def test_fp32_with_tf32_has_the_peak_of_tf32(mfu: Callable) -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    assert mfu("NVIDIA H200", "fp32")[0] == pytest.approx(25 * FLOPS / 494e12)


def test_an_unknown_card_or_precision_is_named_once(mfu: Callable) -> None:
    share, said = mfu("NVIDIA H300", "bf16")
    assert share is None
    assert said == [
        "MFU: not logged, because launch/capacity/cards.py has no card named NVIDIA H300"
    ]
    share, said = mfu("Tesla V100-SXM2-32GB", "bf16")
    assert share is None
    assert said == ["MFU: not logged, because Tesla V100-SXM2-32GB has no bf16 tensor cores"]
