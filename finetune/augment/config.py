"""How clips of finetuning are varied and mixed; nothing heavy is imported here."""

import re
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")

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
    """Random resized crops, a mirror, RandAugment and random erasing: one draw for a whole clip."""

    scale: tuple[Share, Share] = (0.08, 1.0)  # of the crop, as a share of the picture
    ratio: tuple[Ratio, Ratio] = (3 / 4, 4 / 3)  # width over height of the crop, in pixels
    flip: bool = True  # left to right, every second clip
    rand_augment: str | None = None  # timm's word for it, such as rand-m7-n4-mstd0.5-inc1
    random_erasing: Probability = 0.0  # of a box of noise in all frames

    @field_validator("area", "ratio")
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

    mixup_alpha: Alpha = 0.8  # alpha of the Beta distribution that shares are drawn from
    cutmix_alpha: Alpha = 1.0  # as well
    prob: Probability = 1.0  # that two clips are mixed
    switch_prob: Probability = 0.5  # of CutMix, where there are both

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
