"""Pixel targets: rows of the table, for pixels normalised in four ways."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from encoder.config import EncoderConfig
from launch.config import STRICT
from pretrain.targets.spec import TargetSpec

if TYPE_CHECKING:
    import pretrain.targets.built


def pixel_width(settings: Any, encoder: EncoderConfig, predicted_frames: int | None) -> int:
    """Pixel values of a tubelet's predicted frames, all channels."""
    frames = predicted_frames or encoder.tubelet_size
    if frames > encoder.tubelet_size:
        raise ValueError(
            f"decoder.predicted_frames {frames} is more than encoder.tubelet_size "
            f"{encoder.tubelet_size}; set decoder.predicted_frames=null to predict all"
        )
    return frames * encoder.patch_size**2 * encoder.channels


def _build(
    settings: Any, encoder: EncoderConfig, predicted_frames: int | None
) -> "pretrain.targets.built.BuiltTarget":
    from pretrain.targets.pixel_values import build_pixel_target

    floor = getattr(settings, "variance_floor", 0.0)
    return build_pixel_target(settings.kind, encoder, floor, predicted_frames)


def _pixel_spec(formats: Mapping[str, Mapping[str, Any]]) -> TargetSpec:
    return TargetSpec(pixel_width, _build, lambda settings, encoder: encoder.channels, formats)


@dataclass(frozen=True, config=STRICT)
class NormalisedPixels:
    """Pixels of a tubelet, normalised per tubelet and channel: the target of VideoMAE."""

    kind: Literal["normalised_pixels"] = "normalised_pixels"
    """What the decoder predicts."""
    variance_floor: Annotated[float, Field(ge=0)] = 0.0
    """Smaller variances (of pixels in 0..1) count as this one; 0 is VideoMAE's target."""
    spec: ClassVar[TargetSpec] = _pixel_spec({"videomae": {}, "hf": {"norm_pix_loss": True}})


@dataclass(frozen=True, config=STRICT)
class Pixels:
    """Pixels of a tubelet in 0..1."""

    kind: Literal["pixels"] = "pixels"
    """What the decoder predicts."""
    spec: ClassVar[TargetSpec] = _pixel_spec({"videomae": {}, "hf": {"norm_pix_loss": False}})


@dataclass(frozen=True, config=STRICT)
class StandardisedPixels:
    """Pixels of a tubelet less the encoder's mean over its standard deviation, as in mae_st."""

    kind: Literal["standardised_pixels"] = "standardised_pixels"
    """What the decoder predicts."""
    spec: ClassVar[TargetSpec] = _pixel_spec({"videomae": {}, "mae_st": {}})


@dataclass(frozen=True, config=STRICT)
class NormalisedPatches:
    """Standardised pixels, normalised per tubelet over all channels: mae_st's norm_pix_loss."""

    kind: Literal["normalised_patches"] = "normalised_patches"
    """What the decoder predicts."""
    variance_floor: Annotated[float, Field(ge=0)] = 0.0
    """Smaller variances (of standardised pixels) count as this one."""
    spec: ClassVar[TargetSpec] = _pixel_spec({"videomae": {}, "mae_st": {}})
