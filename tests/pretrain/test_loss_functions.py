"""Rows of the losses' table: their values, and the best constants of their baselines."""

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from launch.errors import ConfigError
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.loss import constant_baseline_error
from pretrain.loss_functions import L1, LOSSES, LossFunction, Mse, SmoothL1

ROWS = [Mse(), L1(), SmoothL1(), SmoothL1(beta=0.05), SmoothL1(beta=5)]


def skewed_values() -> Tensor:
    """Three channels, of which mean, median and everything between differ."""
    torch.manual_seed(0)
    exponential = torch.distributions.Exponential(0.5).sample((2, 40, 15, 3))
    return exponential * torch.tensor([1.0, 3, 0.1]) - torch.tensor([0.0, 2, 5])


@pytest.mark.parametrize("loss", ROWS, ids=str)
def test_no_constant_is_better_than_the_best(loss: LossFunction) -> None:
    values = skewed_values()
    best = loss.best_constant(values)
    rows = values.flatten(0, -2)
    for channel in range(3):
        column = rows[:, channel]
        tried = torch.linspace(float(column.min()), float(column.max()), 4001)
        searched = torch.stack([loss.errors(c.expand_as(column), column).mean() for c in tried])
        found = loss.errors(best[channel].expand_as(column), column).mean()
        assert found <= searched.min() + 1e-6
        assert float(best[channel]) == pytest.approx(float(tried[searched.argmin()]), abs=0.02)


def test_the_best_constant_of_smooth_l1_tends_to_mean_and_median() -> None:
    values = skewed_values()[:1, :39]  # an odd number, whose median is one of them
    mean, median = Mse().best_constant(values), L1().best_constant(values)
    torch.testing.assert_close(SmoothL1(beta=1e3).best_constant(values), mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(SmoothL1(beta=1e-4).best_constant(values), median, atol=1e-3, rtol=0)


def test_the_mean_is_not_the_baseline_of_other_losses() -> None:
    target = skewed_values().flatten(2)
    mean = Mse().best_constant(skewed_values())
    for loss in (L1(), SmoothL1()):
        of_mean = loss.errors(mean.expand(2, 40, 15, 3), skewed_values()).mean()
        assert constant_baseline_error(target, 3, loss).mean() < 0.99 * of_mean


def test_smooth_l1_is_squared_below_beta_and_absolute_above() -> None:
    target = torch.tensor([0.0, 0, 0])
    errors = SmoothL1(beta=2.0).errors(torch.tensor([1.0, -2, 6]), target)
    assert errors.tolist() == pytest.approx([0.5 / 2, 0.5 * 4 / 2, 6 - 0.5 * 2])
    assert L1().errors(torch.tensor([1.0, -2, 6]), target).tolist() == [1, 2, 6]


@pytest.mark.parametrize("kind", LOSSES)
def test_a_constant_target_has_a_baseline_of_zero(kind: str) -> None:
    loss = TypeAdapter(LOSSES[kind]).validate_python({"kind": kind})
    assert constant_baseline_error(torch.full((2, 4, 6), 0.7), 3, loss).max() < 1e-12


def config_of(*overrides: str) -> PretrainConfig:
    return load_recipe(PretrainConfig, "demo", overrides, RECIPES, run="unused")


def test_a_recipe_chooses_the_loss() -> None:
    assert config_of().loss == Mse()
    assert config_of("loss={kind: smooth_l1, beta: 0.5}").loss == SmoothL1(beta=0.5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loss.kind=smoothl1", "kind 'smoothl1' is none of mse, smooth_l1, l1"),
        ("loss={kind: smooth_l1, beta: 0}", "loss.beta: 0 is refused; input should be greater"),
        ("loss={kind: mse, beta: 1}", "loss.beta: is a key of another kind"),
    ],
)
def test_a_wrong_loss_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(override)
    assert message in str(caught.value)
