"""Metrics of features: known answers."""

import math

import pytest
import torch

from pretrain.monitoring.feature_metrics import feature_std, knn_probe, rankme


def test_rank_of_orthogonal_features_is_their_number() -> None:
    assert rankme(torch.eye(8)) == pytest.approx(8, rel=1e-4)
    assert rankme(torch.eye(8)[:3] * 7) == pytest.approx(3, rel=1e-4)
    assert rankme(torch.ones(9, 4)) == pytest.approx(1, rel=1e-4)


def test_rank_is_the_exponential_of_the_entropy() -> None:
    shares = [0.5, 0.25, 0.25]
    entropy = -sum(share * math.log(share) for share in shares)
    assert rankme(torch.diag(torch.tensor(shares)) * 3) == pytest.approx(
        math.exp(entropy), rel=1e-4
    )


def test_std_is_1_on_the_sphere_and_0_where_all_features_are_equal() -> None:
    torch.manual_seed(0)
    assert feature_std(torch.randn(4000, 32)) == pytest.approx(1, abs=0.02)
    assert feature_std(torch.ones(10, 32)) == pytest.approx(0, abs=1e-9)
    assert feature_std(torch.randn(4000, 32) * 5) == pytest.approx(1, abs=0.02)
    assert feature_std(torch.randn(400, 32) + 50) < 0.05


def test_neighbours_are_of_other_recordings_only() -> None:
    torch.manual_seed(0)
    recordings = torch.arange(4).repeat_interleave(10)
    labels = torch.arange(2).repeat(20)
    by_label = torch.eye(8)[labels] + 0.01 * torch.randn(40, 8)
    result = knn_probe(by_label, labels, recordings, 2, 5, 0.07)
    assert result.accuracy == 1 and result.majority == 0.5 and result.chance == 0.5
    # features that depend on the recording alone, each of which has a class of its own
    of_recording = torch.eye(8)[recordings] + 0.01 * torch.randn(40, 8)
    assert knn_probe(of_recording, recordings, recordings, 4, 5, 0.07).accuracy == 0


def test_fewer_clips_than_neighbours_are_enough() -> None:
    labels, recordings = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2])
    result = knn_probe(torch.eye(3), labels, recordings, 3, 50, 0.07)
    assert 0 <= result.accuracy <= 1 and result.majority == pytest.approx(2 / 3)
    assert result.chance == pytest.approx(1 / 3)
