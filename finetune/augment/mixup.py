"""Mixup and CutMix of pairs of clips, independent of the division into micro-batches."""

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
    """Mixes clips 0 and 1, clips 2 and 3, and so on; returns pixels in 0..1 and soft targets.

    `rngs` has one generator per pair, so the result does not depend on the batch that a pair is in.
    Labels are class indices [b], whose targets are smoothed, or 0, 1 and -1 by class [b k], whose
    targets are not, as the loss smooths them. A mixed target is -1 if it is unknown in a clip that
    contributes to it. The results are on the device of the clips; labels should be on the host,
    where they are checked without a synchronisation. Raises ValueError for an odd number of clips
    and for invalid labels.
    """
    if len(clips) % 2 or len(rngs) != len(clips) // 2:
        raise ValueError(
            f"mixup: {len(clips)} clips and {len(rngs)} generators; give an even number of clips, "
            "and one generator per pair"
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
    from timm.data.mixup import Mixup  # importing it takes seconds

    # frames as channels, as CutMix takes the last two axes for rows and columns
    images = rearrange(unit_pixels(clips), "b t h w c -> b (t c) h w").contiguous()
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
        images, weights = mixup(images, torch.tensor([0, 1]))  # weights [2 2], on the host
    own = float(weights[0, 0])
    other = targets.flip(0)
    missing = ((targets == MISSING) & (own > 0)) | ((other == MISSING) & (own < 1))
    blend = (own * targets + (1 - own) * other).masked_fill(missing, MISSING)
    return rearrange(images, "b (t c) h w -> b t h w c", c=clips.shape[-1]), blend


def _hard_targets(labels: Labels, classes: int, smoothing: float) -> Float[Tensor, "b k"]:
    """The targets of clips that are not mixed."""
    low, high = (0, classes - 1) if labels.ndim == 1 else (MISSING, 1)
    wrong = (labels < low) | (labels > high)
    if wrong.any():
        clip, label = int(wrong.nonzero()[0, 0]), int(labels[wrong][0])
        raise ValueError(f"mixup: label {label} of clip {clip} is not in {low} to {high}")
    if labels.ndim == 1:
        return F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes
    if labels.shape[1] != classes:
        raise ValueError(f"mixup: {labels.shape[1]} labels per clip for {classes} classes")
    return labels.float()
