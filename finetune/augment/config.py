"""The configuration of augmentation, mixup and CutMix."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from launch.config import STRICT, former

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Alpha = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

# The sections of timm's RandAugment notation that have an effect.
SECTIONS = {
    "m": r"[0-9]{1,3}",  # magnitude, 10 by default
    "n": r"[1-9][0-9]?",  # operations per clip, 2 by default
    "p": r"0(\.[0-9]+)?|1(\.0+)?",  # probability of each, 0.5 by default
    "mstd": r"[0-9]+(\.[0-9]+)?",  # standard deviation of the magnitude; above 100: uniform from 0
    "mmax": r"[1-9][0-9]{0,2}",  # largest magnitude, 10 by default
    "inc": r"[01]",  # 1: every operation gets stronger with the magnitude
    "t": r"weights|3a|3aw",  # the set of operations
}
SECTION = re.compile("|".join(f"(?P<{name}>{name}(?:{value}))" for name, value in SECTIONS.items()))
WITHOUT_REPLACEMENT = {"tweights": 15, "t3aw": 14}  # sets from which each operation is drawn once


@dataclass(frozen=True, config=STRICT)
class ClipAugmentation:
    """Augmentation of training clips; every parameter is drawn once per clip, not per frame."""

    scale: Annotated[tuple[Share, Share], former("area")] = (0.08, 1.0)
    """Area of the random resized crop, as a share of the frame."""
    ratio: tuple[Ratio, Ratio] = (3 / 4, 4 / 3)
    """Width over height of the crop, in pixels."""
    flip: bool = True
    """Flip clips horizontally with probability 0.5."""
    rand_augment: str | None = None
    """RandAugment in timm's notation, such as rand-m7-n4-mstd0.5-inc1; null: none."""
    random_erasing: Annotated[Probability, former("erasing")] = 0.0
    """Probability that a box in all frames is replaced by noise."""

    @field_validator("scale", "ratio")
    @classmethod
    def _ascending(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] > pair[1]:
            raise ValueError("the first number is the larger one; swap them")
        return pair

    @field_validator("rand_augment")
    @classmethod
    def _valid_notation(cls, notation: str | None) -> str | None:
        if notation is not None:
            require_rand_augment(notation)
        return notation


@dataclass(frozen=True, config=STRICT)
class MixupConfig:
    """Mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019); both at 0: off."""

    mixup_alpha: Annotated[Alpha, former("mixup")] = 0.8
    """Alpha of the Beta distribution of mixup's coefficient; 0: no mixup."""
    cutmix_alpha: Annotated[Alpha, former("cutmix")] = 1.0
    """Alpha of the Beta distribution of CutMix's coefficient; 0: no CutMix."""
    prob: Probability = 1.0
    """Probability that two clips are mixed."""
    switch_prob: Probability = 0.5
    """Probability of CutMix instead of mixup, if both are on."""

    @property
    def on(self) -> bool:
        """Whether clips are ever mixed."""
        return self.prob > 0 and (self.mixup_alpha > 0 or self.cutmix_alpha > 0)


def require_rand_augment(notation: str) -> None:
    """Raises ValueError if timm would refuse the notation, or ignore a part of it.

    timm is not imported, as this takes seconds.
    """
    first, *sections = notation.split("-")
    if first != "rand":
        raise ValueError("RandAugment starts with rand, as in rand-m7-n4-mstd0.5-inc1")
    given: dict[str, str] = {}
    for section in sections:
        found = SECTION.fullmatch(section)
        if found is None or found.lastgroup is None:
            raise ValueError(
                f"RandAugment has no section {section!r}; valid ones are, for example, "
                "m7, n4, p0.5, mstd0.5, mmax10, inc1, tweights, t3a and t3aw"
            )
        if found.lastgroup in given:
            raise ValueError(f"RandAugment has both {given[found.lastgroup]} and {section}")
        given[found.lastgroup] = section
    operations = WITHOUT_REPLACEMENT.get(given.get("t", ""))
    if operations is not None and int(given.get("n", "n2")[1:]) > operations:
        raise ValueError(f"{given['t']} draws each of its {operations} operations once; lower n")
