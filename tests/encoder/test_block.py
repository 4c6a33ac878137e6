"""Attention by the fused kernel and by matrix products; compiled blocks."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from encoder.block import scaled_dot_product
from tests.conftest import outcome_of, start_python


def parts(dtype: torch.dtype) -> list[Tensor]:
    drawn = torch.randn(3, 2, 4, 40, 16, generator=torch.manual_seed(0))
    drawn[0, :, :, :7] = 0  # so many queries less
    q, k, v = (x.to(dtype) for x in drawn)
    return [x.requires_grad_() for x in (q[:, :, 7:].detach(), k.detach(), v.detach())]


def results(dtype: torch.dtype, fused: bool) -> list[Tensor]:
    """Output and gradients, in float64."""
    q, k, v = parts(dtype)
    if dtype == torch.float64:
        mixed = (q @ k.mT / 4).softmax(-1) @ v
    else:
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION] + ([] if fused else [SDPBackend.MATH])):
            mixed = scaled_dot_product(q, k, v)
    mixed.square().sum().backward()
    return [x.detach().double() for x in (mixed, q.grad, k.grad, v.grad)]


def distance(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_attention_is_that_of_float64(dtype: torch.dtype, bound: float, fused: bool) -> None:
    for actual, expected in zip(results(dtype, fused), results(torch.float64, True), strict=True):
        assert distance(actual, expected) < bound


def test_bfloat16_on_a_cpu_is_not_computed_by_the_fused_kernel() -> None:
    names = ["fused", "products"]
    with torch.profiler.profile() as profile:
        for name in names:
            with torch.profiler.record_function(name):
                results(torch.bfloat16, name == "fused")
    seen = {event.key: event.count for event in profile.key_averages()}
    fused = [key for key in seen if "flash_attention_for_cpu" in key and "backward" not in key]
    assert len(fused) == 1 and seen[fused[0]] == 1
    assert seen["aten::baddbmm"] >= 1


@pytest.mark.parametrize(
    ("rate", "backend"),
    [
        ("0", "aot_eager"),  # the same graphs, without a C++ compiler
        pytest.param("0", "inductor", marks=pytest.mark.soak),
        pytest.param("0.2", "inductor", marks=pytest.mark.soak),
    ],
)
def test_compiled_blocks_compute_the_same_and_keep_their_names(rate: str, backend: str) -> None:
    program = Path(__file__).parent / "compiled_program.py"  # without types checked in every call
    done = outcome_of(start_python([str(program), rate, backend]))
    assert done.returncode == 0, done.stderr
    actual = json.loads(done.stdout.splitlines()[-1])
    assert actual["names"] and max(actual["distances"]) < 1e-5
    forms = 2 * (2 if float(rate) else 1)  # all outputs or some, with drop path or without
    assert 0 < actual["graphs"] <= forms, "blocks that are alike are compiled once"
    assert actual["in_evaluation"] == 0, "evaluation compiles nothing"
    assert actual["breaks"] == 0 and "limit" not in done.stderr
