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

It is the mean over the clips. Targets are classes [b]; or, as mixup makes them, a share for each
class [b k]; or, of multi-label sets, 0, 1 or a share for each class [b k]. -1: a missing label."""
ClipWeights = Callable[[Any], Any]
"""From targets to the weight [b] of each clip in the mean of a loss."""


class LossSpec(NamedTuple):
    """What the rest of the program must know of a loss."""

    tasks: tuple[Task, ...]
    """Labels that it is defined for."""
    soft_targets: bool = True
    """Whether a target may be a share of a class, as mixup and CutMix make it."""
    outputs: tuple[str, ...] = ("logits",)
    """Outputs of the head that it reads."""
    weighs_clips: bool = False
    """Whether its mean is weighted, so that clips may count differently."""


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

    spec: ClassVar[LossSpec] = LossSpec(("single_label",), weighs_clips=True)

    def build(self, counts: Any) -> Loss:
        from finetune.model.class_losses import class_weights, cross_entropy

        weights = class_weights(self.weights, counts, self.beta)
        return lambda outputs, target: cross_entropy(
            outputs["logits"], target, weights, self.smoothing
        )

    def clip_weights(self, counts: Any) -> ClipWeights:
        from finetune.model.class_losses import class_weights, share_weights

        weights = class_weights(self.weights, counts, self.beta)
        return lambda target: share_weights(target, weights.to(target.device), self.smoothing).sum(
            1
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

    spec: ClassVar[LossSpec] = LossSpec(("multi_label",), weighs_clips=True)

    def build(self, counts: Any) -> Loss:
        from finetune.model.class_losses import binary_cross_entropy, class_weights

        weights = class_weights(self.weights, counts, self.beta)
        return lambda outputs, target: binary_cross_entropy(
            outputs["logits"], target, weights, self.smoothing
        )

    def clip_weights(self, counts: Any) -> ClipWeights:
        from finetune.model.class_losses import class_weights, known_weights

        weights = class_weights(self.weights, counts, self.beta)
        return lambda target: known_weights(target, weights.to(target.device)).sum(1)


LOSSES: dict[str, type[Any]] = {"cross_entropy": CrossEntropy, "bce": BinaryCrossEntropy}
"""A row is a configuration with a `spec` and `build(counts)`, which returns a `Loss`. `counts` [k]
are the labelled samples of each class in the training split. If the spec says that the row weighs
clips, `clip_weights(counts)` returns its `ClipWeights`; the loss of a step is then the weighted
mean over all its clips, else the mean over its micro-batches."""


class BuiltLoss(NamedTuple):
    """The loss of a run."""

    of_micro_batch: Loss
    clip_weights: ClipWeights | None  # None: a mean in which all clips count the same

    def of_step(self, outputs: Any, targets: Any, mean_weight: float | None) -> Any:
        """A micro-batch's part of the loss of its step: that loss is the mean of its parts.

        `mean_weight` is that of all clips of the step; None where all clips count the same.
        """
        loss = self.of_micro_batch(outputs, targets)
        if self.clip_weights is None or mean_weight is None:
            return loss
        return loss * (self.clip_weights(targets).mean() / (mean_weight or 1.0))


def build_loss(loss: Any, counts: Any) -> BuiltLoss:
    """From a row of `LOSSES` and the labelled samples of each class."""
    weights = loss.clip_weights(counts) if loss.spec.weighs_clips else None
    return BuiltLoss(loss.build(counts), weights)
