"""The table of heads: from an encoder's features to logits."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from encoder.config import EncoderConfig
from launch.config import STRICT, Positive
from launch.kinds import one_of

Dropout = Annotated[float, Field(ge=0, lt=1)] | None
InitScale = Annotated[float, Field(ge=0)]


class HeadSpec(NamedTuple):
    """What the rest of the program must know of a head."""

    probes: tuple[str, ...] = ()
    """Tuning kinds with a frozen encoder that it fits; all heads fit the others."""
    takes_segments: bool = False
    """Whether it classifies several segments of a clip together."""
    outputs: tuple[str, ...] = ("logits",)
    """Names of the tensors that it returns. `logits` [b k] are the prediction; others are for
    losses, such as the logits of each tubelet or of another level."""
    classifier: str = "classifier"
    """The submodule, an `nn.Linear`, whose rows are the classes. `head_init` sets them."""


@dataclass(frozen=True, config=STRICT)
class LinearHead:
    """A linear classifier on the pooled features of the encoder."""

    kind: Literal["linear"] = "linear"
    """The head."""
    dropout: Dropout = None
    """Dropout before the classifier; null: 0."""
    init_scale: InitScale = 0.001
    """Factor of the classifier's initial weights."""

    spec: ClassVar[HeadSpec] = HeadSpec(probes=("linear_probe",))

    def build(self, encoder: EncoderConfig, classes: int) -> Any:
        from finetune.model.pooled_head import EncoderPooling, PooledHead

        dropout = self.dropout or 0.0
        return PooledHead(EncoderPooling(), encoder.embed_dim, classes, dropout, self.init_scale)


@dataclass(frozen=True, config=STRICT)
class TimeSformerHead:
    """A linear classifier on the pooled features, as TimeSformer has it."""

    kind: Literal["timesformer"] = "timesformer"
    """The head."""
    dropout: Dropout = None
    """Dropout before the classifier; null: 0."""
    init_scale: InitScale = 0.001
    """Factor of the classifier's initial weights."""

    spec: ClassVar[HeadSpec] = HeadSpec()

    def build(self, encoder: EncoderConfig, classes: int) -> Any:
        return LinearHead("linear", self.dropout, self.init_scale).build(encoder, classes)


@dataclass(frozen=True, config=STRICT)
class I3dHead:
    """Mean over time and space, LayerNorm, dropout and a linear classifier, as I3D."""

    kind: Literal["i3d"] = "i3d"
    """The head."""
    dropout: Dropout = None
    """Dropout before the classifier; null: 0.5."""
    init_scale: InitScale = 0.001
    """Factor of the classifier's initial weights."""

    spec: ClassVar[HeadSpec] = HeadSpec()

    def build(self, encoder: EncoderConfig, classes: int) -> Any:
        from finetune.model.pooled_head import NormalisedMean, PooledHead

        dropout = 0.5 if self.dropout is None else self.dropout
        pool = NormalisedMean(encoder.embed_dim)
        return PooledHead(pool, encoder.embed_dim, classes, dropout, self.init_scale)


@dataclass(frozen=True, config=STRICT)
class TsnHead:
    """The same on the mean of several segments of a clip, TSN's consensus."""

    kind: Literal["tsn"] = "tsn"
    """The head."""
    dropout: Dropout = None
    """Dropout before the classifier; null: 0.5."""
    init_scale: InitScale = 0.001
    """Factor of the classifier's initial weights."""

    spec: ClassVar[HeadSpec] = HeadSpec(takes_segments=True)

    def build(self, encoder: EncoderConfig, classes: int) -> Any:
        return I3dHead("i3d", self.dropout, self.init_scale).build(encoder, classes)


@dataclass(frozen=True, config=STRICT)
class AttentiveHead:
    """Attentive pooling by a learned query over all tokens, and a linear classifier."""

    kind: Literal["attentive"] = "attentive"
    """The head."""
    dropout: Dropout = None
    """Dropout before the classifier; null: 0."""
    init_scale: InitScale = 0.001
    """Factor of the classifier's initial weights."""
    num_heads: Positive | None = None
    """Attention heads of the pooling; null: those of the encoder."""

    spec: ClassVar[HeadSpec] = HeadSpec(probes=("attentive_probe",))

    def build(self, encoder: EncoderConfig, classes: int) -> Any:
        from finetune.model.pooled_head import AttentivePooling, PooledHead

        pool = AttentivePooling(encoder.embed_dim, self.num_heads or encoder.num_heads)
        return PooledHead(pool, encoder.embed_dim, classes, self.dropout or 0.0, self.init_scale)


HEADS: dict[str, type[Any]] = {
    "linear": LinearHead,
    "timesformer": TimeSformerHead,
    "i3d": I3dHead,
    "tsn": TsnHead,
    "attentive": AttentiveHead,
}
"""A row is a configuration with a `spec` and `build(encoder, classes)`. The module that it builds
is called with the features of clips and their number of segments, and returns the tensors of
`spec.outputs` by name."""


def _without_null(value: Any) -> Any:
    """Null is every key's default. Earlier versions also wrote null for keys of other heads."""
    if isinstance(value, Mapping):
        return {key: each for key, each in value.items() if each is not None}
    return value


Head = Annotated[Any, one_of(HEADS, LinearHead()), BeforeValidator(_without_null)]


def probe_heads(tuning: str) -> list[str]:
    """The heads that fit a tuning kind with a frozen encoder."""
    return [kind for kind, row in HEADS.items() if tuning in row.spec.probes]
