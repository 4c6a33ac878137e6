"""The precision of predictions."""

import pytest
import torch

from finetune.inference.predictor import autocast_dtype

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "device", "has_bf16", "expected"),
    [
        ("auto", CPU, True, None),
        ("auto", GPU, True, torch.bfloat16),
        ("auto", GPU, False, None),
        ("fp32", GPU, True, None),  # as the user asked
        ("bf16", CPU, False, torch.bfloat16),
        ("fp16", GPU, False, torch.float16),
    ],
)
def test_a_gpu_predicts_in_bf16_unless_another_precision_is_given(
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    device: torch.device,
    has_bf16: bool,
    expected: torch.dtype | None,
) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: has_bf16)
    assert autocast_dtype(precision, device) is expected
