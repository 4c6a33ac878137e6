"""Lion against algorithm 2 of its paper, written out in float64."""

import pytest
import torch

from launch.training.lion import Lion

RATE, DECAY = 1e-2, 0.3


def by_hand(
    weight: torch.Tensor, gradients: list[torch.Tensor], beta1: float, beta2: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and momentum after these gradients."""
    momentum = torch.zeros_like(weight)
    for gradient in gradients:
        update = torch.sign(beta1 * momentum + (1 - beta1) * gradient)
        weight = weight - RATE * (update + DECAY * weight)
        momentum = beta2 * momentum + (1 - beta2) * gradient
    return weight, momentum


@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.95, 0.98), (0.99, 0.9), (0.0, 0.5)])
def test_updates_are_those_of_the_paper(betas: tuple[float, float]) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 4), (5,), ()]
    start = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    weights = [torch.nn.Parameter(each.clone()) for each in start]
    optimizer = Lion(weights, lr=RATE, betas=betas, weight_decay=DECAY)
    steps = [
        [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        for _ in range(20)
    ]
    for gradients in steps:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.clone()
        optimizer.step()
    for index, weight in enumerate(weights):
        expected, momentum = by_hand(start[index], [each[index] for each in steps], *betas)
        torch.testing.assert_close(weight.detach(), expected, atol=1e-12, rtol=0)
        state = optimizer.state[weight]
        torch.testing.assert_close(state["exp_avg"], momentum, atol=1e-12, rtol=0)


def test_a_skipped_step_changes_neither_weight_nor_momentum_by_a_bit() -> None:
    weight = torch.nn.Parameter(torch.randn(1000))
    optimizer = Lion([weight], lr=RATE, weight_decay=DECAY)
    weight.grad = torch.randn(1000)
    optimizer.step()
    before, momentum = weight.detach().clone(), optimizer.state[weight]["exp_avg"].clone()
    for value in (float("nan"), float("inf")):
        weight.grad = torch.full((1000,), value)
        optimizer.found_inf, optimizer.grad_scale = torch.tensor(1.0), torch.tensor(value)
        optimizer.step()
        assert torch.equal(weight.detach(), before)
        assert torch.equal(optimizer.state[weight]["exp_avg"], momentum)


def test_a_parameter_without_a_gradient_stays() -> None:
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = Lion(weights, lr=RATE)
    weights[0].grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(weights[1].detach(), torch.ones(2))
    assert torch.equal(weights[0].detach(), torch.full((2,), 1 - RATE))
