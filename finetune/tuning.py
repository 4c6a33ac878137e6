"""The table of tuning kinds: which part of the network is trained."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from finetune.task import ANY_TASK, Task
from launch.config import STRICT, FormerValues, former

Decay = Annotated[float, Field(gt=0, le=1)]
Multiplier = Annotated[float, Field(gt=0), former("backbone_lr")]


class TuningSpec(NamedTuple):
    """What the rest of the program must know of a tuning kind."""

    is_probe: bool = False
    """Whether it trains a head on a frozen encoder; then the head must name it in `probes`."""
    tasks: tuple[Task, ...] = ANY_TASK
    classify: str | Callable[..., None] = ""
    """Classifies without training, called with configuration, session, sets and model; or its
    "module:function". Empty: the model is trained."""

    @property
    def trains(self) -> bool:
        return not self.classify

    @property
    def classifier(self) -> Callable[..., None]:
        """The function that classifies without training."""
        if not isinstance(self.classify, str):
            return self.classify
        module, _, name = self.classify.partition(":")
        function: Callable[..., None] = getattr(import_module(module), name)
        return function


@dataclass(frozen=True, config=STRICT)
class Full:
    """Train the whole network."""

    kind: Literal["full"] = "full"
    """Which part of the network is trained."""
    layer_decay: Decay = 0.75
    """Factor of the learning rate for each layer away from the output."""
    backbone_lr_scale: Multiplier = 1.0
    """Factor of the learning rate of the whole encoder."""
    blocks: None = None
    """Blocks of the encoder that are trained; only partial has a number."""

    spec: ClassVar[TuningSpec] = TuningSpec()


@dataclass(frozen=True, config=STRICT)
class Partial:
    """Train the last blocks of the encoder, its last norm, and the head."""

    blocks: Annotated[int, Field(gt=0)]
    """Blocks of the encoder that are trained, counted from the last."""
    kind: Literal["partial"] = "partial"
    """Which part of the network is trained."""
    layer_decay: Decay = 0.75
    """Factor of the learning rate for each layer away from the output."""
    backbone_lr_scale: Multiplier = 1.0
    """Factor of the learning rate of the whole encoder."""

    spec: ClassVar[TuningSpec] = TuningSpec()


@dataclass(frozen=True, config=STRICT)
class LinearProbe:
    """Train a linear classifier on the pooled features of a frozen encoder."""

    kind: Literal["linear_probe"] = "linear_probe"
    """Which part of the network is trained."""
    layer_decay: Literal[1] = 1
    """Has no effect: the encoder is frozen."""
    backbone_lr_scale: Annotated[Literal[1], former("backbone_lr")] = 1
    """Has no effect: the encoder is frozen."""
    blocks: Literal[0] = 0
    """No block of the encoder is trained."""

    spec: ClassVar[TuningSpec] = TuningSpec(is_probe=True)


@dataclass(frozen=True, config=STRICT)
class AttentiveProbe:
    """Train a cross-attention pooling over all tokens of a frozen encoder, and a classifier."""

    kind: Literal["attentive_probe"] = "attentive_probe"
    """Which part of the network is trained."""
    layer_decay: Literal[1] = 1
    """Has no effect: the encoder is frozen."""
    backbone_lr_scale: Annotated[Literal[1], former("backbone_lr")] = 1
    """Has no effect: the encoder is frozen."""
    blocks: Literal[0] = 0
    """No block of the encoder is trained."""

    spec: ClassVar[TuningSpec] = TuningSpec(is_probe=True)


@dataclass(frozen=True, config=STRICT)
class KnnClassifier:
    """Train nothing: weighted k-nearest neighbours in frozen features.

    A neighbour's vote is weighted by exp(cosine / temperature) (Wu et al., CVPR 2018, section 3.4).
    """

    kind: Annotated[Literal["knn"], FormerValues({"neighbours": "knn"})] = "knn"
    """Which part of the network is trained."""
    k: Annotated[int, Field(gt=0)] = 20
    """Neighbours."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Temperature of the weights of the neighbours' votes."""

    blocks: ClassVar[int] = 0
    spec: ClassVar[TuningSpec] = TuningSpec(
        tasks=("single_label",), classify="finetune.inference.knn:knn_classify"
    )


TUNINGS: dict[str, type[Any]] = {
    "full": Full,
    "partial": Partial,
    "linear_probe": LinearProbe,
    "attentive_probe": AttentiveProbe,
    "knn": KnnClassifier,
}
"""A row is a configuration with a `spec`, `blocks` (trained blocks of the encoder; None: all), and,
where it trains, `layer_decay` and `backbone_lr_scale`."""
