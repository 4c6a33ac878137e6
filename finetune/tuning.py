"""How much of the network a stage trains: a row of a union each."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Decay = Annotated[float, Field(gt=0, le=1)]
Multiplier = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=STRICT)
class Full:
    """All of it. `layer_decay` multiplies the learning rate for each layer away from the output,
    `backbone_lr` that of the whole encoder."""

    kind: Literal["full"] = "full"
    layer_decay: Decay = 0.75
    backbone_lr_scale: Multiplier = 1.0
    blocks: None = None


@dataclass(frozen=True, config=STRICT)
class Partial:
    """The last `blocks` blocks of the encoder, its last norm, and the head."""

    blocks: Annotated[int, Field(gt=0)]
    kind: Literal["partial"] = "partial"
    layer_decay: Decay = 0.75
    backbone_lr_scale: Multiplier = 1.0


@dataclass(frozen=True, config=STRICT)
class LinearProbe:
    """One matrix on the pooled features of a frozen encoder."""

    kind: Literal["linear_probe"] = "linear_probe"
    layer_decay: Literal[1] = 1
    backbone_lr_scale: Literal[1] = 1
    blocks: Literal[0] = 0


@dataclass(frozen=True, config=STRICT)
class AttentiveProbe:
    """A learned query over all tokens of a frozen encoder, and one matrix."""

    kind: Literal["attentive_probe"] = "attentive_probe"
    layer_decay: Literal[1] = 1
    backbone_lr_scale: Literal[1] = 1
    blocks: Literal[0] = 0


@dataclass(frozen=True, config=STRICT)
class KnnClassifier:
    """Nothing is trained: the labels of the `k` nearest training samples by the cosine of frozen
    features, weighted by exp(cosine / temperature) (Wu et al., CVPR 2018, section 3.4)."""

    kind: Literal["neighbours"] = "neighbours"
    k: Annotated[int, Field(gt=0)] = 20
    temperature: Annotated[float, Field(gt=0)] = 0.07


Tuning = Annotated[
    Full | Partial | LinearProbe | AttentiveProbe | KnnClassifier, Field(discriminator="kind")
]
HEAD_OF = {"linear_probe": "linear", "attentive_probe": "attentive"}
