"""A plugin that adds a target: the mean colour of each tubelet, seen by a frozen teacher."""

from dataclasses import field
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from launch.config import STRICT
from pretrain.targets.registry import TARGETS
from pretrain.targets.spec import TargetSpec


def build(settings, encoder, predicted_frames):
    import torch
    from torch import nn

    from encoder.patchify import gather_tokens, split_tubelets, unit_pixels
    from pretrain.targets.built import BuiltTarget, Target

    teacher = nn.Linear(3, 3) if settings.teacher else None

    def compute(clip, tokens):
        tubelets = gather_tokens(split_tubelets(clip, encoder.tubelet_shape), tokens)
        colours = unit_pixels(tubelets).unflatten(-1, (-1, 3)).mean(dim=-2)
        return Target(colours if teacher is None else teacher(colours.to(teacher.weight.dtype)))

    def draw(values, truth):
        low = truth.amin(dim=(1, 2), keepdim=True)
        high = truth.amax(dim=(1, 2), keepdim=True)
        scaled = (values - low) / torch.clamp(high - low, min=1e-6)
        return scaled.repeat(1, 1, encoder.tubelet_values // 3)

    return BuiltTarget(compute, teacher, draw=draw)


@dataclass(frozen=True, config=STRICT)
class MeanColour:
    """Mean colour of a tubelet."""

    kind: Literal["mean_colour"] = field(default="mean_colour")
    """What the decoder predicts."""
    teacher: bool = False
    """Pass the colours through a frozen random layer."""
    spec: ClassVar[TargetSpec] = TargetSpec(
        width=lambda settings, encoder, predicted_frames: 3,
        build=build,
        macs=lambda settings, encoder, counts: 9 * counts.decoded * settings.teacher,
    )


TARGETS["mean_colour"] = MeanColour
