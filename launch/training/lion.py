"""The Lion optimizer."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Lion(torch.optim.Optimizer):
    """Lion (Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2).

    Gradients serve as working memory: after a step they are not the gradients any more. As with
    PyTorch's fused optimizers, a step divides the gradients by the attribute `grad_scale`, and
    leaves everything as it is where the attribute `found_inf` is 1; neither waits for the device.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every parameter that has a gradient; a closure is not supported."""
        for group in self.param_groups:
            parameters = [each for each in group["params"] if each.grad is not None]
            if not parameters:
                continue
            gradients = [each.grad for each in parameters]
            momenta = [self._momentum(each) for each in parameters]
            rate: Any = group["lr"]
            if (scale := getattr(self, "grad_scale", None)) is not None:
                torch._foreach_div_(gradients, scale)
            if (found_inf := getattr(self, "found_inf", None)) is not None:
                for gradient, momentum in zip(gradients, momenta, strict=True):
                    # a gradient that equals the momentum leaves the momentum as it is
                    torch.where(found_inf > 0, momentum, gradient, out=gradient)
                rate = rate * (1 - found_inf)
            _update(parameters, gradients, momenta, rate, group["betas"], group["weight_decay"])

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state["exp_avg"]


def _update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    momenta: list[Tensor],
    rate: Any,
    betas: tuple[float, float],
    weight_decay: float,
) -> None:
    """c = b1 m + (1 - b1) g;  w = w - rate (sign(c) + decay w);  m = b2 m + (1 - b2) g.

    c overwrites g, so m is computed from c: m + (1 - b2) / (1 - b1) (c - m) is the same.
    """
    beta1, beta2 = betas
    torch._foreach_lerp_(gradients, momenta, beta1)
    torch._foreach_lerp_(momenta, gradients, (1 - beta2) / (1 - beta1))
    torch._foreach_sign_(gradients)
    torch._foreach_mul_(gradients, -rate)
    torch._foreach_mul_(parameters, 1 - rate * weight_decay)
    torch._foreach_add_(parameters, gradients)
