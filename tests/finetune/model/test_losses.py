"""Losses against torch's own, and their class weights."""

import pytest
import torch
import torch.nn.functional as F

from finetune.model.class_losses import class_weights
from finetune.model.losses import LOSSES
from launch.errors import ConfigError

COUNTS = torch.tensor([10, 100, 0, 1000])
LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 3, 3, 1, 0])


def loss(target: torch.Tensor, kind: str = "cross_entropy", **fields) -> torch.Tensor:
    return LOSSES[kind](**fields).build(COUNTS)({"logits": LOGITS}, target)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(smoothing: float) -> None:
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing)
    torch.testing.assert_close(loss(LABELS, smoothing=smoothing), expected)


def test_soft_targets_are_torchs_and_include_hard_ones() -> None:
    shares = torch.rand(6, 4).softmax(1)
    torch.testing.assert_close(loss(shares), F.cross_entropy(LOGITS, shares))
    torch.testing.assert_close(loss(F.one_hot(LABELS, 4).float()), loss(LABELS))


def test_weighted_cross_entropy_is_torchs() -> None:
    weights = (0.5, 2.0, 1.0, 0.25)
    expected = F.cross_entropy(LOGITS, LABELS, weight=torch.tensor(weights))
    torch.testing.assert_close(loss(LABELS, weights=weights), expected)


def test_missing_labels_are_left_out() -> None:
    labels = LABELS.clone()
    labels[2:] = -1
    expected = F.cross_entropy(LOGITS[:2], LABELS[:2])
    torch.testing.assert_close(loss(labels), expected)
    nothing = loss(torch.full_like(labels, -1))
    assert nothing == 0 and torch.isfinite(nothing)
    many = torch.tensor([[1, 0, -1, 1]] * 6)
    known = [0, 1, 3]
    expected = F.binary_cross_entropy_with_logits(LOGITS[:, known], many[:, known].float())
    torch.testing.assert_close(loss(many, kind="bce"), expected)


def test_class_weights_balance_the_class_counts() -> None:
    inverse = class_weights("inverse", COUNTS, 0.9999)
    torch.testing.assert_close(inverse[0] / inverse[3], torch.tensor(100.0))
    balanced = class_weights("balanced", COUNTS, 0.99)
    expected = (1 - 0.99**1000) / (1 - 0.99**10)
    assert float(balanced[0] / balanced[3]) == pytest.approx(expected, rel=1e-4)
    for weights in (inverse, balanced):
        assert weights[2] == 0
        assert float(weights.sum()) == pytest.approx(3.0)
    assert class_weights("none", COUNTS, 0.9999).tolist() == [1, 1, 1, 1]
    with pytest.raises(ConfigError, match="2 numbers for 4 classes; give one for each"):
        class_weights((1.0, 2.0), COUNTS, 0.9999)


def test_gradients_are_finite_in_half_precision() -> None:
    logits = (LOGITS * 30).to(torch.bfloat16).requires_grad_()
    LOSSES["cross_entropy"](smoothing=0.1).build(COUNTS)({"logits": logits}, LABELS).backward()
    assert torch.isfinite(logits.grad).all()
