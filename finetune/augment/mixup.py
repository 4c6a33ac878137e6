"""Mixup and CutMix of neighbouring clips, whatever the division of a step into micro-batches."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from encoder.patchify import unit_pixels
from finetune.augment.config import MixupConfig
from finetune.augment.transforms import draw_seed, seeded_globals
from video.labels.segments import MISSING

Labels = Int64[Tensor, " b"] | Int64[Tensor, "b k"]


def mixup(
    clips: UInt8[Tensor, "b t h w c"],
    labels: Labels,
    config: MixupConfig,
    classes: int,
    smoothing: float,
    rngs: Sequence[np.random.Generator],
) -> tuple[Float[Tensor, "b t h w c"], Float[Tensor, "b k"]]:
    """Pixels in 0..1 and targets, on the device of the clips; clips 0 and 1 are mixed, 2 and 3 ..

    `rngs` has one generator a pair, so that a pair comes out the same wherever it is mixed. Labels
    are classes [b], whose targets are smoothed, or 0, 1 and -1 for each class [b k], whose targets
    are not: their loss smooths them. Such a target is -1 where a clip that has a share in it is.
    Labels on the host are checked without waiting for the device. Raises ValueError for an odd
    number of clips and for classes that there are not.
    """
    if len(clips) % 2 or len(rngs) != len(clips) // 2:
        raise ValueError(
            f"mixup: {len(clips)} clips and {len(rngs)} generators; clips are mixed in pairs, "
            "give an even number, and a generator for each two"
        )
    hard = _hard_targets(labels, classes, smoothing).to(clips.device, non_blocking=True)
    mixed = [
        _mix_pair(pair, targets, config, rng)
        for pair, targets, rng in zip(clips.split(2), hard.split(2), rngs, strict=True)
    ]
    return torch.cat([pair for pair, _ in mixed]), torch.cat([targets for _, targets in mixed])


def _mix_pair(
    clips: UInt8[Tensor, "2 t h w c"],
    targets: Float[Tensor, "2 k"],
    config: MixupConfig,
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "2 t h w c"], Float[Tensor, "2 k"]]:
    from timm.data.mixup import Mixup  # takes seconds

    # frames as channels, for CutMix takes the last two axes for rows and columns
    pictures = rearrange(unit_pixels(clips), "b t h w c -> b (t c) h w").contiguous()
    mixup = Mixup(
        mixup_alpha=config.mixup_alpha,
        cutmix_alpha=config.cutmix_alpha,
        prob=config.prob if config.on else 0.0,
        switch_prob=config.switch_prob,
        mode="batch",
        label_smoothing=0.0,
        num_classes=2,
    )
    with seeded_globals(draw_seed(rng)):
        pictures, shares = mixup(
            pictures, torch.tensor([0, 1])
        )  # of each clip in each, on the host
    own = float(shares[0, 0])
    other = targets.flip(0)
    missing = ((targets == MISSING) & (own > 0)) | ((other == MISSING) & (own < 1))
    blend = (own * targets + (1 - own) * other).masked_fill(missing, MISSING)
    return rearrange(pictures, "b (t c) h w -> b t h w c", c=clips.shape[-1]), blend


def _hard_targets(labels: Labels, classes: int, smoothing: float) -> Float[Tensor, "b k"]:
    """Of clips that are not mixed."""
    least, most = (0, classes - 1) if labels.ndim == 1 else (MISSING, 1)
    wrong = (labels < least) | (labels > most)
    if wrong.any():
        clip, label = int(wrong.nonzero()[0, 0]), int(labels[wrong][0])
        raise ValueError(f"mixup: label {label} of clip {clip} is not within {least} to {most}")
    if labels.ndim == 1:
        return F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes
    if labels.shape[1] != classes:
        raise ValueError(f"mixup: {labels.shape[1]} labels a clip, of {classes} classes")
    return labels.float()
