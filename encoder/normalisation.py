"""Published normalisations of the input, by name."""

from typing import NamedTuple


class Normalisation(NamedTuple):
    """Mean and standard deviation of the pixels, which are in 0..1."""

    title: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation("ImageNet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Normalisation("half", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = Normalisation(
    "CLIP", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
)
KINETICS = Normalisation("Kinetics", (0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
NORMALISATIONS: dict[str, Normalisation] = {
    "imagenet": IMAGENET,
    "half": HALF,
    "clip": CLIP,
    "kinetics": KINETICS,
}
