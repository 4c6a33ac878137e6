"""A recording: what is known of it, and how it fails."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BeforeValidator, Field

from video.readers.registry import READERS, ReaderName

IDENTITY = ("path", "content", "original", "original_content")
Span = tuple[float, float]  # from and until, in seconds from the recording's time 0


class UnreadableVideo(ValueError):
    """A recording, or the part of it that was asked for, cannot be read."""

    exit_status = 2

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def parse_spans(text: object) -> object:
    """`12.5-20;300-310.04` as spans; they ascend and do not overlap. Raises ValueError."""
    if not isinstance(text, str):
        return text
    spans: list[Span] = []
    for part in filter(None, text.split(";")):
        begin, _, end = part.partition("-")
        span = float(begin), float(end)
        if not (spans[-1][1] if spans else 0.0) <= span[0] < span[1] < math.inf:
            raise ValueError(f"{part}: spans are BEGIN-END in seconds, ascending, apart")
        spans.append(span)
    return tuple(spans)


def merge_spans(spans: Iterable[Span], max_gap: float = 0.0) -> list[Span]:
    """The same spans, ascending, with those joined between which there is no more than `apart`."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1] + max_gap:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def format_spans(spans: tuple[Span, ...]) -> str:
    return ";".join(f"{begin:.9g}-{end:.9g}" for begin, end in spans)


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """The part of the picture that shows the patient; lengths are shares of the picture's height.

    A circle has `numbers` (centre's row, centre's column, radius), an ellipse, which is a circle in
    a squeezed picture, (centre's row, centre's column, vertical radius, horizontal radius), and a
    box (top, left, bottom, right).
    """

    kind: Literal["circle", "ellipse", "box"]
    numbers: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.kind}:" + ",".join(f"{number:.4f}" for number in self.numbers)

    def contains(
        self, rows: Float[np.ndarray, "y x"], columns: Float[np.ndarray, "y x"]
    ) -> Bool[np.ndarray, "y x"]:
        """Whether places, in shares of the picture's height, are inside."""
        if self.kind != "box":
            row, column, *radii = self.numbers
            return ((rows - row) / radii[0]) ** 2 + ((columns - column) / radii[-1]) ** 2 <= 1
        top, left, bottom, right = self.numbers
        return (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)

    def box(self, width: float) -> tuple[float, float, float, float]:
        """Top, left, bottom, right of the smallest box around it; the picture is `width` wide."""
        top, left, bottom, right = self.numbers if self.kind == "box" else self._bounding_box()
        return max(top, 0.0), max(left, 0.0), min(bottom, 1.0), min(right, width)

    def _bounding_box(self) -> tuple[float, float, float, float]:
        row, column, *radii = self.numbers
        return row - radii[0], column - radii[-1], row + radii[0], column + radii[-1]


def parse_view(text: object) -> object:
    """`circle:0.5,0.88,0.47` or `box:0,0.1,1,1.5` as a field of view. Raises ValueError."""
    if not isinstance(text, str):
        return text
    kind, _, numbers = text.partition(":")
    values = tuple(float(number) for number in numbers.split(","))
    if kind == "circle" and len(values) == 3 and values[2] > 0:
        return FieldOfView("circle", values)
    if kind == "ellipse" and len(values) == 4 and min(values[2:]) > 0:
        return FieldOfView("ellipse", values)
    if kind == "box" and len(values) == 4 and values[0] < values[2] and values[1] < values[3]:
        return FieldOfView("box", values)
    raise ValueError(
        f"{text}: write circle:ROW,COLUMN,RADIUS, ellipse:ROW,COLUMN,HEIGHT,WIDTH or "
        "box:TOP,LEFT,BOTTOM,RIGHT"
    )


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
Spans = Annotated[tuple[Span, ...], BeforeValidator(parse_spans)]
View = Annotated[FieldOfView, BeforeValidator(parse_view)]


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording and what was found out about it: a row of a manifest.

    Times are seconds from the recording's time 0, which is its first frame's, or in a prepared
    recording its original's.
    """

    path: str  # a video file, a folder of frames, or a prepared recording
    reader: ReaderName  # verified to return the right frames
    fps: Positive  # frames a second, on average
    frames: Count
    seconds: Positive  # from time 0 to the end of the last frame
    width: Count  # as displayed: upright, in pixels that are square
    height: Count
    first: Annotated[float, Field(allow_inf_nan=False)]  # time 0 in the file's own clock, seconds
    # clockwise, in degrees, to turn pictures upright
    rotation: Annotated[int, Field(ge=0, lt=360, multiple_of=90)] = 0
    holes: Spans = ()  # where there are no frames
    black: Spans = ()  # where nothing is seen
    frozen: Spans = ()  # where nothing moves, not even noise
    view: View | None = None  # field of view; None: the whole picture, or not known
    motion: Annotated[str, Field(pattern=r"^[0-9]*$")] = ""  # a digit for each equal part
    key_frame_seconds: NotNegative | None = None  # the longest way from one to the next
    steady: bool | None = None  # whether all frames are shown equally long
    bytes: Annotated[int, Field(ge=0)] | None = None
    content: str = ""  # digest of size and samples of the bytes
    verified: str = ""  # how random access was compared with sequential decoding
    original: str = ""  # of a prepared recording: the path of what it was made from,
    original_content: str = ""  # its content,
    original_first: float | None = None  # and its `first`
    source: str = ""  # the name of the run's source that it belongs to

    def identity(self) -> dict[str, str]:
        """All that a later stage can recognise it by, which must not be tested on it."""
        return {name: getattr(self, name) for name in IDENTITY}

    @property
    def contents(self) -> set[str]:
        """Its digest and that of what it was prepared from, where they are known."""
        return {self.content, self.original_content} - {""}

    @property
    def kind(self) -> Literal["video", "folder", "pack"]:
        """What it is: a video file, a folder of images, or a prepared JPEG pack."""
        return READERS[self.reader].kind

    @property
    def is_image_sequence(self) -> bool:
        """Whether each frame is an image of its own, so that reading cannot miss it."""
        return self.kind != "video"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width
