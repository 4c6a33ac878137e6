"""What is read from the profiler's events, on events as a GPU has them."""

from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from benchmarks.gpu.intervals import length, shared, union
from benchmarks.gpu.step_profile import Trace, figures_of, read_trace

GPU = torch.device("cuda", 0)
COPY, PAGEABLE = "Memcpy HtoD (Pinned -> Device)", "Memcpy HtoD (Pageable -> Device)"


def event(name: str, begin: float, end: float, device: DeviceType = DeviceType.CUDA):
    return SimpleNamespace(
        name=name,
        time_range=SimpleNamespace(start=begin, end=end),
        device_type=device,
        is_user_annotation=name.startswith("ProfilerStep"),
    )


def test_intervals() -> None:
    assert union([(3, 4), (0, 1), (0.5, 2), (1.5, 1.7)]) == [(0, 2), (3, 4)]
    assert shared([(0, 2), (3, 5)], [(1, 4)]) == [(1, 2), (3, 4)]
    assert length([(0, 2), (3, 5)]) == 4 and shared([(0, 1)], [(1, 2)]) == []


def test_kernels_copies_and_attention_are_told_apart() -> None:
    prefix = "aten::_scaled_dot_product_"
    named = [
        event(f"{prefix}cudnn_attention", 0, 1, DeviceType.CPU),
        event(f"{prefix}cudnn_attention_backward", 0, 1, DeviceType.CPU),
        event("aten::mm", 0, 1, DeviceType.CPU),
    ]
    timed = [
        event("ProfilerStep*", 0, 100),
        event("gemm", 0, 40),
        event("gelu", 30, 50),
        event("Memcpy DtoD (Device -> Device)", 50, 60),
        event("Memcpy DtoH (Device -> Pinned)", 60, 70),
        event(COPY, 45, 65),
        event(PAGEABLE, 80, 81),
        event("gemm", 90, 100),
        event("aten::mm", 0, 100, DeviceType.CPU),
    ]
    trace = read_trace(named, timed, GPU)
    assert trace == Trace(["cudnn_attention"], [(0, 60), (90, 100)], [(45, 65), (80, 81)], 1)


def test_the_first_third_does_not_count() -> None:
    trace = Trace(["flash_attention"], [(0, 20), (60, 90)], [(10, 20), (80, 100)], 0)
    fused, busy, hidden, pinned = figures_of(trace, "base")
    assert fused.value == 1 and fused.verdict(True) == "ok"
    assert busy.value == pytest.approx(0.5) and busy.verdict(True) == "FAILED"
    assert hidden.value == pytest.approx(1) and pinned.verdict(True) == "ok"
    slow = figures_of(trace._replace(attention=["flash_attention", "math"]), "base")
    assert next(slow).verdict(True) == "FAILED"
