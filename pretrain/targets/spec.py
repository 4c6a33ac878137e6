"""What the program must know of a pretraining target: one `TargetSpec` per row of `TARGETS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from encoder.config import EncoderConfig
from masking import Counts

if TYPE_CHECKING:
    import pretrain.targets.built


@dataclass(frozen=True)
class TargetSpec:
    """Facts of a target. Each function takes the target's settings first.

    `width(settings, encoder, predicted_frames)` is the number of values per token, the axis `p`:
    the outputs of the decoder's last layer. `predicted_frames` is `decoder.predicted_frames`; it
    raises ValueError where a target cannot have it.

    `build(settings, encoder, predicted_frames)` gives the function that computes the target, with
    its module if it has one. It imports torch itself.

    `channels(settings, encoder)` are the channels of a token's values, the fastest axis of `p`;
    the constant baseline has one constant per channel. None: every value is a channel.

    `formats` names the export formats (rows of `pretrain.checkpoint.formats.FORMATS`) that can hold
    a model with this target, each with what its config.json says of it. This project's own format
    holds every target.

    `macs(settings, encoder, counts)` are multiply-accumulates of one clip's target, which has no
    backward pass.

    `files(settings)` are files that it is computed from, such as a teacher's weights. Checkpoint
    files record their digests and do not hold them.
    """

    width: Callable[[Any, EncoderConfig, int | None], int]
    build: "Callable[[Any, EncoderConfig, int | None], pretrain.targets.built.BuiltTarget]"
    channels: Callable[[Any, EncoderConfig], int] | None = None
    formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    macs: Callable[[Any, EncoderConfig, Counts], int] = lambda settings, encoder, counts: 0
    files: Callable[[Any], tuple[Path, ...]] = lambda settings: ()


@runtime_checkable
class PretrainingTarget(Protocol):
    """A row of `TARGETS`: a frozen pydantic dataclass with a target's settings and its facts."""

    spec: ClassVar[TargetSpec]

    @property
    def kind(self) -> str:
        """Its name in `TARGETS` and in recipes."""
        ...


def values_per_token(
    target: PretrainingTarget, encoder: EncoderConfig, predicted_frames: int | None
) -> int:
    """Outputs of the decoder; raises ValueError where `predicted_frames` does not fit."""
    return target.spec.width(target, encoder, predicted_frames)
