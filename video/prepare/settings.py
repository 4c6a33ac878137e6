"""The settings of `prepare`, and the scaling and crop that they give for a recording."""

from dataclasses import dataclass, fields, replace
from typing import Literal, NamedTuple

from video.discover import PACK_SUFFIX
from video.recording import FieldOfView, Recording

PreparedFormat = Literal["jpeg", "h264"]
PREPARED_SUFFIX: dict[PreparedFormat, str] = {"jpeg": PACK_SUFFIX, "h264": ".mp4"}
DEFAULT_QUALITY: dict[PreparedFormat, int] = {"jpeg": 85, "h264": 23}


@dataclass(frozen=True)
class PrepareSettings:
    """How recordings are transcoded; the same for all recordings of a folder."""

    form: PreparedFormat
    short_side: int  # pixels; a smaller recording keeps its size
    frame_rate: float | None  # maximum frames per second; None: all frames
    quality: int  # JPEG: 1 to 95, higher is better; H.264: crf, lower is better
    crop_view: bool  # crop to the bounding box of the field of view

    def differences(self, other: "PrepareSettings") -> str:
        """The settings that differ from `other`, as text."""
        pairs = [(f.name, getattr(other, f.name), getattr(self, f.name)) for f in fields(self)]
        return ", ".join(f"{name} was {was}, is {now}" for name, was, now in pairs if was != now)


class Geometry(NamedTuple):
    """Frames are resized to `rows` by `columns`, then cropped to a box."""

    rows: int
    columns: int
    top: int
    left: int
    height: int  # even, as is the width
    width: int
    view: FieldOfView | None  # relative to the box


def geometry(recording: Recording, settings: PrepareSettings) -> Geometry:
    """The scaling and the crop for a recording."""
    height, width = recording.shape
    box = (0.0, 0.0, 1.0, width / height)
    if settings.crop_view and recording.view is not None:
        box = recording.view.box(width / height)
    top, left, bottom, right = (edge * height for edge in box)
    scale = min(settings.short_side / min(bottom - top, right - left), 1.0)
    rows, columns = max(round(height * scale), 2), max(round(width * scale), 2)
    box_height = min(_even((bottom - top) * scale), rows // 2 * 2)
    box_width = min(_even((right - left) * scale), columns // 2 * 2)
    first_row = min(round(top * scale), rows - box_height)
    first_column = min(round(left * scale), columns - box_width)
    view = _crop_view(recording.view, rows, first_row, first_column, box_height)
    return Geometry(rows, columns, first_row, first_column, box_height, box_width, view)


def _even(length: float) -> int:
    return max(2 * round(length / 2), 2)


def _crop_view(
    view: FieldOfView | None, rows: int, top: int, left: int, height: int
) -> FieldOfView | None:
    """A field of view relative to the height of the crop."""
    if view is None:
        return None
    scale = rows / height
    coordinates = 4 if view.kind == "box" else 2  # the other numbers are radii
    offsets = (top / rows, left / rows) * 2
    numbers = tuple(
        round((number - (offsets[n] if n < coordinates else 0.0)) * scale, 4)
        for n, number in enumerate(view.numbers)
    )
    return replace(view, numbers=numbers)
