"""Which part of the network is trained: each kind of tuning is a row of a union."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from launch.config import STRICT, FormerValues, former

Decay = Annotated[float, Field(gt=0, le=1)]
Multiplier = Annotated[float, Field(gt=0), former("backbone_lr")]


@dataclass(frozen=True, config=STRICT)
class Full:
    """Train the whole network."""

    kind: Literal["full"] = "full"
    """full, partial, linear_probe, attentive_probe or knn."""
    layer_decay: Decay = 0.75
    """Factor of the learning rate for each layer away from the output."""
    backbone_lr_scale: Multiplier = 1.0
    """Factor of the learning rate of the whole encoder."""
    blocks: None = None
    """Blocks of the encoder that are trained; only partial has a number."""


@dataclass(frozen=True, config=STRICT)
class Partial:
    """Train the last blocks of the encoder, its last norm, and the head."""

    blocks: Annotated[int, Field(gt=0)]
    """Blocks of the encoder that are trained, counted from the last."""
    kind: Literal["partial"] = "partial"
    """full, partial, linear_probe, attentive_probe or knn."""
    layer_decay: Decay = 0.75
    """Factor of the learning rate for each layer away from the output."""
    backbone_lr_scale: Multiplier = 1.0
    """Factor of the learning rate of the whole encoder."""


@dataclass(frozen=True, config=STRICT)
class LinearProbe:
    """Train a linear classifier on the pooled features of a frozen encoder."""

    kind: Literal["linear_probe"] = "linear_probe"
    """full, partial, linear_probe, attentive_probe or knn."""
    layer_decay: Literal[1] = 1
    """Has no effect: the encoder is frozen."""
    backbone_lr_scale: Annotated[Literal[1], former("backbone_lr")] = 1
    """Has no effect: the encoder is frozen."""
    blocks: Literal[0] = 0
    """No block of the encoder is trained."""


@dataclass(frozen=True, config=STRICT)
class AttentiveProbe:
    """Train a cross-attention pooling over all tokens of a frozen encoder, and a classifier."""

    kind: Literal["attentive_probe"] = "attentive_probe"
    """full, partial, linear_probe, attentive_probe or knn."""
    layer_decay: Literal[1] = 1
    """Has no effect: the encoder is frozen."""
    backbone_lr_scale: Annotated[Literal[1], former("backbone_lr")] = 1
    """Has no effect: the encoder is frozen."""
    blocks: Literal[0] = 0
    """No block of the encoder is trained."""


@dataclass(frozen=True, config=STRICT)
class KnnClassifier:
    """Train nothing: weighted k-nearest neighbours in frozen features.

    A neighbour's vote weighs exp(cosine / temperature) (Wu et al., CVPR 2018, section 3.4).
    """

    kind: Annotated[Literal["knn"], FormerValues({"neighbours": "knn"})] = "knn"
    """full, partial, linear_probe, attentive_probe or knn."""
    k: Annotated[int, Field(gt=0)] = 20
    """Neighbours."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Temperature of the weights of the neighbours' votes."""


Tuning = Annotated[
    Full | Partial | LinearProbe | AttentiveProbe | KnnClassifier, Field(discriminator="kind")
]
HEAD_OF = {"linear_probe": "linear", "attentive_probe": "attentive"}
