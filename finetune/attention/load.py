"""The encoder that is looked into, and the pace of the clips that it was trained on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from encoder.checkpoint.load import load_source
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.safe_open import CheckpointMismatch, parse_metadata
from encoder.checkpoint.tensor_file import find_file
from encoder.commands import find_with_overrides, require_colours
from encoder.vit import VideoEncoder
from finetune.data.windows import WindowSampling
from finetune.model.classifier_file import SAMPLINGS
from video.config import Sampling

DENSE_STRIDE = 4  # of labelled clips, where their sampling names neither rate nor stride


class AttentionModel(NamedTuple):
    encoder: VideoEncoder
    found: SourceEncoder


def load_attention_model(checkpoint: str, overrides: Sequence[str]) -> AttentionModel:
    """The encoder of a file as it was trained, ready for use. Raises CheckpointMismatch."""
    found = find_with_overrides(checkpoint, overrides)
    require_colours(found)
    return AttentionModel(load_source(found, None).encoder.eval(), found)


def training_sampling(found: SourceEncoder) -> tuple[Sampling, str]:
    """How the clips of the training were sampled, the first source's; and how that is known.

    Raises CheckpointMismatch where the file says what cannot be.
    """
    if found.known.family.name != "own" or "sampling" not in found.file.recorded:
        return Sampling(), "the default, for the file does not say"
    file = find_file(found.file.path)
    held = parse_metadata(file, "sampling")
    try:
        sampling = _even(held) if "form" in held else Sampling(**next(iter(held.values())))
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError):
        raise CheckpointMismatch(
            f"{file}: metadata sampling cannot be {str(held)[:80]}; give --frame-rate"
        ) from None
    if sampling is None:
        return Sampling(), "the default, for it was trained at no even pace"
    return sampling, "as it was trained"


def _even(held: dict[str, Any]) -> Sampling | None:
    """The pace of a classifier's clips; None where it changes within one or between them."""
    values = {key: value for key, value in held.items() if key != "form"}
    sampling = TypeAdapter(SAMPLINGS[held["form"]]).validate_python(values)
    if isinstance(sampling, WindowSampling):
        return Sampling(1 / sampling.step_seconds) if sampling.spacing == "even" else None
    if sampling.kind != "dense":
        return None
    if sampling.frame_rate:
        return Sampling(sampling.frame_rate)
    return Sampling(stride=sampling.stride or DENSE_STRIDE)
