"""Copies in one block of host memory."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from launch.checkpoint.host_copy import ALIGNMENT, HostCopy

TYPES = (torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool)
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)


def tensor(dtype: torch.dtype, shape: tuple[int, ...], seed: int) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2 if dtype == torch.bool else 100, shape, generator=drawn).to(dtype)


@given(st.lists(st.tuples(st.sampled_from(TYPES), SHAPES), min_size=1, max_size=8))
def test_copies_are_equal_apart_and_aligned(kinds: list) -> None:
    tensors = {str(i): tensor(*kind, seed=i) for i, kind in enumerate(kinds)}
    copies = HostCopy().copy(tensors)
    assert list(copies) == list(tensors)
    starts = sorted((copy.data_ptr(), copy.nbytes) for copy in copies.values())
    assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(starts))
    for name, copy in copies.items():
        assert copy.dtype == tensors[name].dtype and torch.equal(copy, tensors[name])
        assert (copy.data_ptr() - starts[0][0]) % ALIGNMENT == 0


def test_the_block_is_used_again_and_grows() -> None:
    host = HostCopy()
    first = host.copy({"a": torch.zeros(100)})["a"]
    second = host.copy({"a": torch.ones(100)})["a"]
    assert first.data_ptr() == second.data_ptr() and bool(first.all()), "overwritten"
    larger = host.copy({"a": torch.ones(100), "b": torch.full((1000,), 2.0)})
    assert torch.equal(larger["b"], torch.full((1000,), 2.0)) and bool(first.all())
    host.release()
    assert bool(larger["a"].all()), "a copy that is still used keeps its memory"


def test_what_is_copied_needs_no_gradient_and_may_be_strided() -> None:
    weight = torch.arange(12.0).view(3, 4).requires_grad_()
    copies = HostCopy().copy({"whole": weight, "columns": weight[:, ::2]})
    assert not copies["whole"].requires_grad
    assert copies["columns"].tolist() == [[0, 2], [4, 6], [8, 10]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpus_copies_are_in_one_pinned_block() -> None:
    tensors = {name: torch.randn(1000, 333, device="cuda") for name in "abc"}
    host = HostCopy()
    copies = host.copy(tensors)
    assert all(copy.is_pinned() for copy in copies.values())
    assert all(torch.equal(copies[name], tensors[name].cpu()) for name in tensors)
    host.release()
    copies.clear()
    assert host.copy(tensors)["a"].is_pinned(), "its memory can be pinned again"
