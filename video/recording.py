"""A recording: its properties, and the error of an unreadable one."""

import math
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from pydantic import AfterValidator, BeforeValidator, Field

from video.atomic_write import OutputError
from video.near_duplicates.fingerprint import valid_fingerprint
from video.readers.registry import READERS, ReaderName
from video.text_table import single_line

IDENTITY = ("path", "content", "original", "original_content", "fingerprint")
MERGED_SECONDS = 1e-3  # spans with a smaller gap between them become one
Span = tuple[float, float]  # begin and end, in seconds from the recording's time 0


class WantedStream(NamedTuple):
    """The video stream to read of a file that has several."""

    number: int | None = None  # among all streams, as ffprobe counts; None: the largest that lasts
    is_own: bool = False  # given for this recording: it is refused without it


LARGEST = WantedStream()


class UnreadableVideo(ValueError):
    """A recording, or the requested part of it, cannot be read."""

    exit_status = 2

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return single_line(f"{self.path}: {self.reason}")


@contextmanager
def blamed_on(path: str) -> Iterator[None]:
    """Makes every exception an UnreadableVideo, so that a recording costs no more than itself.

    Libraries raise almost anything on damaged files. Only OutputError passes as it is.
    """
    try:
        yield
    except (UnreadableVideo, OutputError):
        raise
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        raise UnreadableVideo(
            path, f"cannot be read ({where}: {message}); copy it again, or rewrite it with ffmpeg"
        ) from error


def parse_spans(text: object) -> object:
    """Parses `12.5-20;300-310.04`, ascending and without overlap. Raises ValueError."""
    if not isinstance(text, str):
        return text
    spans: list[Span] = []
    for part in filter(None, text.split(";")):
        begin, _, end = part.partition("-")
        span = float(begin), float(end)
        if not (spans[-1][1] if spans else 0.0) <= span[0] < span[1] < math.inf:
            raise ValueError(
                f"{part}: spans are BEGIN-END in seconds, ascending and without overlap"
            )
        spans.append(span)
    return tuple(spans)


def spans_within(spans: Iterable[Span], seconds: float) -> tuple[Span, ...]:
    """The parts of the spans inside a recording of `seconds`, as a manifest can hold them.

    They are merged, rounded to a tenth of a millisecond, and none is empty.
    """
    merged: list[Span] = []
    for begin, end in sorted((max(0.0, begin), min(end, seconds)) for begin, end in spans):
        if merged and begin <= merged[-1][1] + MERGED_SECONDS:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif begin < end:
            merged.append((begin, end))
    rounded = [(round(begin, 4), round(end, 4)) for begin, end in merged]
    return tuple(span for span in rounded if span[0] < span[1])


def _format_number(number: float) -> str:
    """The shortest text that reads as the same number, without an exponent."""
    return str(np.format_float_positional(number, trim="-"))


def format_spans(spans: tuple[Span, ...]) -> str:
    return ";".join(f"{_format_number(begin)}-{_format_number(end)}" for begin, end in spans)


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """The part of the frame that shows the patient; all lengths are relative to the frame's height.

    `numbers` of a circle are (centre row, centre column, radius), of an ellipse (centre row, centre
    column, vertical radius, horizontal radius), of a box (top, left, bottom, right).
    """

    kind: Literal["circle", "ellipse", "box"]
    numbers: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.kind}:" + ",".join(map(_format_number, self.numbers))

    def contains(
        self, rows: Float[np.ndarray, "y x"], columns: Float[np.ndarray, "y x"]
    ) -> Bool[np.ndarray, "y x"]:
        """Whether points, relative to the frame's height, are inside."""
        if self.kind != "box":
            row, column, *radii = self.numbers
            return ((rows - row) / radii[0]) ** 2 + ((columns - column) / radii[-1]) ** 2 <= 1
        top, left, bottom, right = self.numbers
        return (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)

    def box(self, width: float) -> tuple[float, float, float, float]:
        """Top, left, bottom, right of the bounding box in a frame `width` wide."""
        top, left, bottom, right = self.numbers if self.kind == "box" else self._bounding_box()
        return max(top, 0.0), max(left, 0.0), min(bottom, 1.0), min(right, width)

    def _bounding_box(self) -> tuple[float, float, float, float]:
        row, column, *radii = self.numbers
        return row - radii[0], column - radii[-1], row + radii[0], column + radii[-1]


def parse_view(text: object) -> object:
    """Parses `circle:0.5,0.88,0.47` or `box:0,0.1,1,1.5`. Raises ValueError."""
    if not isinstance(text, str):
        return text
    kind, _, numbers = text.partition(":")
    values = tuple(float(number) for number in numbers.split(","))
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{text}: all numbers must be finite")
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
    """One recording and its measured properties: a row of a manifest.

    Times are seconds from the recording's time 0: its first frame, or for a prepared recording the
    first frame of its original.
    """

    path: str  # a video file, a folder of frames, or a prepared recording
    reader: ReaderName  # verified to return the right frames
    fps: Positive  # mean frames per second
    frames: Count
    seconds: Positive  # from time 0 to the end of the last frame
    width: Count  # as displayed: upright, with square pixels
    height: Count
    first: Annotated[float, Field(allow_inf_nan=False)]  # timestamp of time 0 in the file, seconds
    # clockwise, in degrees, to turn frames upright
    rotation: Annotated[int, Field(ge=0, lt=360, multiple_of=90)] = 0
    holes: Spans = ()  # spans without frames
    black: Spans = ()  # black spans
    frozen: Spans = ()  # frozen spans, without even noise
    view: View | None = None  # field of view; None: the whole frame, or unknown
    motion: Annotated[str, Field(pattern=r"^[0-9]*$")] = ""  # a digit for each equal part
    key_frame_seconds: NotNegative | None = None  # maximum distance between key frames
    steady: bool | None = None  # whether the frame rate is constant
    bytes: Annotated[int, Field(ge=0)] | None = None
    content: str = ""  # digest of size and sampled bytes
    verified: str = ""  # where random access was compared with sequential decoding
    original: str = ""  # of a prepared recording: the path of its original,
    original_content: str = ""  # its content,
    original_first: float | None = None  # and its `first`
    # index of the video stream in a file that has several; None: it has one, or the first
    stream: Annotated[int, Field(ge=0)] | None = None
    source: str = ""  # the name of its source in the run
    fingerprint: Annotated[str, AfterValidator(valid_fingerprint)] = ""  # hashes of some frames

    def identity(self) -> dict[str, str]:
        """What identifies it, so that later stages do not test on recordings of pretraining."""
        return {name: getattr(self, name) for name in IDENTITY}

    @property
    def shown_seconds(self) -> float:
        """The time for which it has frames."""
        return self.seconds - sum(end - begin for begin, end in self.holes)

    @property
    def contents(self) -> set[str]:
        """Its digest and that of its original, where known."""
        return {self.content, self.original_content} - {""}

    @property
    def kind(self) -> Literal["video", "folder", "pack"]:
        """What it is: a video file, a folder of images, or a prepared JPEG pack."""
        return READERS[self.reader].kind

    @property
    def is_image_sequence(self) -> bool:
        """Whether each frame is a separate image, which a reader cannot miss."""
        return self.kind != "video"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width
