"""The table of pretraining losses: functions of a predicted and a true value.

A new loss is a frozen dataclass with the methods of `LossFunction` and a row of `LOSSES`.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field
from pydantic.dataclasses import dataclass

from launch.config import STRICT

if TYPE_CHECKING:
    import torch

BISECTIONS = 30  # steps of a search for a constant: its error is the range of values / 2^30


@runtime_checkable
class LossFunction(Protocol):
    """A row of `LOSSES`. torch is imported in the methods, which keeps configurations light."""

    @property
    def kind(self) -> str:
        """Its name in `LOSSES` and in recipes."""
        ...

    def errors(self, prediction: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
        """The loss of each value; both inputs have the same shape."""
        ...

    def best_constant(self, values: "torch.Tensor") -> "torch.Tensor":
        """The constant of each channel with the smallest mean loss: [... c] to [c]."""
        ...


@dataclass(frozen=True, config=STRICT)
class Mse:
    """Squared error: the loss of MAE and VideoMAE."""

    kind: Literal["mse"] = "mse"
    """Loss between predicted and true values."""

    def errors(self, prediction: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
        import torch.nn.functional as F

        return F.mse_loss(prediction, target, reduction="none")

    def best_constant(self, values: "torch.Tensor") -> "torch.Tensor":
        """The mean."""
        return values.mean(dim=tuple(range(values.dim() - 1)))


@dataclass(frozen=True, config=STRICT)
class L1:
    """Absolute error."""

    kind: Literal["l1"] = "l1"
    """Loss between predicted and true values."""

    def errors(self, prediction: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
        return (prediction - target).abs()

    def best_constant(self, values: "torch.Tensor") -> "torch.Tensor":
        """The median."""
        return values.flatten(0, -2).median(dim=0).values


@dataclass(frozen=True, config=STRICT)
class SmoothL1:
    """Squared error below beta, absolute error above: 0.5 e^2 / beta, or |e| - 0.5 beta."""

    kind: Literal["smooth_l1"] = "smooth_l1"
    """Loss between predicted and true values."""
    beta: Annotated[float, Field(gt=0)] = 1.0
    """Error at which the loss turns from squared to absolute."""

    def errors(self, prediction: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
        import torch.nn.functional as F

        return F.smooth_l1_loss(prediction, target, reduction="none", beta=self.beta)

    def best_constant(self, values: "torch.Tensor") -> "torch.Tensor":
        """The root of the mean loss's derivative, by bisection.

        The loss is convex, so its derivative never decreases as the constant grows.
        """
        rows = values.flatten(0, -2)
        low, high = rows.amin(dim=0), rows.amax(dim=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            is_above = (middle - rows).div(self.beta).clamp(-1, 1).mean(dim=0) > 0
            low, high = low.where(is_above, middle), high.where(~is_above, middle)
        return (low + high) / 2


LOSSES: dict[str, type[LossFunction]] = {"mse": Mse, "smooth_l1": SmoothL1, "l1": L1}
DEFAULT_LOSS = Mse()
