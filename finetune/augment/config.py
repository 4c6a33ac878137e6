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

# The sections of a word of timm's RandAugment that have an effect there.
SECTIONS = {
    "m": r"[0-9]{1,3}",  # magnitude, 10 where it is not given
    "n": r"[1-9][0-9]?",  # operations a clip, 2
    "p": r"0(\.[0-9]+)?|1(\.0+)?",  # probability of each, 0.5
    "mstd": r"[0-9]+(\.[0-9]+)?",  # deviation of the magnitude, 0; above 100: uniform from 0
    "mmax": r"[1-9][0-9]{0,2}",  # largest magnitude, 10
    "inc": r"[01]",  # 1: every operation grows with the magnitude
    "t": r"weights|3a|3aw",  # the set of operations
}
SECTION = re.compile("|".join(f"(?P<{name}>{name}(?:{value}))" for name, value in SECTIONS.items()))
WITHOUT_REPLACEMENT = {"tweights": 15, "t3aw": 14}  # sets of which an operation is drawn once


@dataclass(frozen=True, config=STRICT)
class ClipAugmentation:
    """Augmentation of training clips; every parameter is drawn once for the whole clip."""

    scale: Annotated[tuple[Share, Share], former("area")] = (0.08, 1.0)
    """Area of the random resized crop, as a share of the frame."""
    ratio: tuple[Ratio, Ratio] = (3 / 4, 4 / 3)
    """Width over height of the crop, in pixels."""
    flip: bool = True
    """Flip every second clip horizontally."""
    rand_augment: str | None = None
    """RandAugment in timm's notation, such as rand-m7-n4-mstd0.5-inc1; null: none."""
    random_erasing: Annotated[Probability, former("erasing")] = 0.0
    """Probability that a box in all frames is replaced by noise."""

    @field_validator("scale", "ratio")
    @classmethod
    def _ascending(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] > pair[1]:
            raise ValueError("the first number is the smallest; exchange the two")
        return pair

    @field_validator("rand_augment")
    @classmethod
    def _known(cls, word: str | None) -> str | None:
        if word is not None:
            require_rand_augment(word)
        return word


@dataclass(frozen=True, config=STRICT)
class MixupConfig:
    """Mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019); both at 0: off."""

    mixup_alpha: Annotated[Alpha, former("mixup")] = 0.8
    """Alpha of the Beta distribution of mixup's shares; 0: no mixup."""
    cutmix_alpha: Annotated[Alpha, former("cutmix")] = 1.0
    """Alpha of the Beta distribution of CutMix's shares; 0: no CutMix."""
    prob: Probability = 1.0
    """Probability that two clips are mixed."""
    switch_prob: Probability = 0.5
    """Probability of CutMix instead of mixup, where both are on."""

    @property
    def on(self) -> bool:
        """Whether clips are ever mixed."""
        return self.prob > 0 and (self.mixup_alpha > 0 or self.cutmix_alpha > 0)


def require_rand_augment(word: str) -> None:
    """Raises ValueError where timm would refuse a word of RandAugment, or pass over a part of it.

    timm itself is not asked, for it is heavy to import.
    """
    first, *sections = word.split("-")
    if first != "rand":
        raise ValueError("RandAugment starts with rand, as in rand-m7-n4-mstd0.5-inc1")
    given: dict[str, str] = {}
    for section in sections:
        found = SECTION.fullmatch(section)
        if found is None or found.lastgroup is None:
            raise ValueError(
                f"RandAugment has no section {section!r}; give such as "
                "m7, n4, p0.5, mstd0.5, mmax10, inc1, tweights, t3a or t3aw"
            )
        if found.lastgroup in given:
            raise ValueError(f"RandAugment has both {given[found.lastgroup]} and {section}")
        given[found.lastgroup] = section
    most = WITHOUT_REPLACEMENT.get(given.get("t", ""))
    if most is not None and int(given.get("n", "n2")[1:]) > most:
        raise ValueError(f"{given['t']} draws each of its {most} operations once; lower n")
