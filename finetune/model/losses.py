"""The table of losses: of a head's outputs and the labels of a micro-batch."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from finetune.task import Task
from launch.config import STRICT, FormerValues, Share

ClassWeights = Literal["none", "inverse", "balanced"] | tuple[Annotated[float, Field(ge=0)], ...]
Loss = Callable[[Mapping[str, Any], Any], Any]
"""From the outputs of a head, by name, and the targets of a micro-batch to a scalar tensor.

Targets are classes [b]; or, as mixup makes them, a share for each class [b k]; or, of multi-label
sets, 0, 1 or a share for each class [b k]. -1 is a missing label."""


class LossSpec(NamedTuple):
    """What the rest of the program must know of a loss."""

    tasks: tuple[Task, ...]
    """Labels that it is defined for."""
    soft_targets: bool = True
    """Whether a target may be a share of a class, as mixup and CutMix make it."""
    outputs: tuple[str, ...] = ("logits",)
    """Outputs of the head that it reads."""


@dataclass(frozen=True, config=STRICT)
class CrossEntropy:
    """Cross-entropy of the softmax, for one class per sample."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    """The loss."""
    smoothing: Share = 0.0
    """Label smoothing."""
    weights: ClassWeights = "none"
    """Class weights: inverse frequency, effective numbers (Cui et al., CVPR 2019), or a list."""
    beta: Share = 0.9999
    """Beta of balanced class weights."""

    spec: ClassVar[LossSpec] = LossSpec(("single_label",))

    def build(self, counts: Any) -> Loss:
        from finetune.model.class_losses import class_weights, cross_entropy

        weights = class_weights(self.weights, counts, self.beta)
        return lambda outputs, target: cross_entropy(
            outputs["logits"], target, weights, self.smoothing
        )


@dataclass(frozen=True, config=STRICT)
class BinaryCrossEntropy:
    """Binary cross-entropy of each class, for several classes per sample."""

    kind: Annotated[Literal["bce"], FormerValues({"binary": "bce"})] = "bce"
    """The loss."""
    smoothing: Share = 0.0
    """Label smoothing."""
    weights: ClassWeights = "none"
    """Class weights: inverse frequency, effective numbers (Cui et al., CVPR 2019), or a list."""
    beta: Share = 0.9999
    """Beta of balanced class weights."""

    spec: ClassVar[LossSpec] = LossSpec(("multi_label",))

    def build(self, counts: Any) -> Loss:
        from finetune.model.class_losses import binary_cross_entropy, class_weights

        weights = class_weights(self.weights, counts, self.beta)
        return lambda outputs, target: binary_cross_entropy(
            outputs["logits"], target, weights, self.smoothing
        )


LOSSES: dict[str, type[Any]] = {"cross_entropy": CrossEntropy, "bce": BinaryCrossEntropy}
"""A row is a configuration with a `spec` and `build(counts)`, which returns a `Loss`. `counts` [k]
are the labelled samples of each class in the training split."""
