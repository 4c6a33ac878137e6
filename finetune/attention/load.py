"""The encoder of a checkpoint, and the frame sampling of its training."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from encoder.checkpoint.load import load_source
from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.safe_open import CheckpointMismatch, parse_metadata
from encoder.checkpoint.tensor_file import find_file
from encoder.commands import require_rgb, resolve_source
from encoder.vit import VideoEncoder
from finetune.data.windows import WindowSampling
from finetune.model.classifier_file import SAMPLINGS
from video.config import Sampling

DENSE_STRIDE = 4  # of labelled clips, where their sampling has neither rate nor stride


class AttentionModel(NamedTuple):
    encoder: VideoEncoder
    source: SourceEncoder


def load_attention_model(checkpoint: str, overrides: Sequence[str]) -> AttentionModel:
    """The encoder of a file in evaluation mode. Raises CheckpointMismatch."""
    source = resolve_source(checkpoint, overrides)
    require_rgb(source)
    return AttentionModel(load_source(source, None).encoder.eval(), source)


def training_sampling(source: SourceEncoder) -> tuple[Sampling, str]:
    """The frame sampling of the training, of its first source, and where it comes from.

    Raises CheckpointMismatch where the metadata of the file is invalid.
    """
    if source.detected.name != "own" or "sampling" not in source.file.metadata:
        return Sampling(), "default, the file has none"
    file = find_file(source.file.path)
    recorded = parse_metadata(file, "sampling")
    try:
        if "form" in recorded:
            sampling = _even(recorded)
        else:
            sampling = Sampling(**next(iter(recorded.values())))
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError):
        raise CheckpointMismatch(
            f"{file}: metadata sampling {str(recorded)[:80]} is invalid; give --frame-rate"
        ) from None
    if sampling is None:
        return Sampling(), "default, its training had no constant frame rate"
    return sampling, "as in training"


def _even(recorded: dict[str, Any]) -> Sampling | None:
    """The sampling of a classifier's clips; None without a constant frame rate."""
    values = {key: value for key, value in recorded.items() if key != "form"}
    sampling = TypeAdapter(SAMPLINGS[recorded["form"]]).validate_python(values)
    if isinstance(sampling, WindowSampling):
        return Sampling(1 / sampling.step_seconds) if sampling.spacing == "even" else None
    if sampling.kind != "dense":
        return None
    if sampling.frame_rate:
        return Sampling(sampling.frame_rate)
    return Sampling(stride=sampling.stride or DENSE_STRIDE)
