"""One recording into its prepared form, and the proof that it can be read."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from video.atomic_write import atomic_writer
from video.encode import FAST_TO_READ, encode_jpeg, write_h264
from video.fingerprint import total_bytes
from video.manifest import row_from
from video.prepare.settings import PREPARED_SUFFIX, Geometry, PrepareSettings, geometry
from video.readers import verify
from video.readers.container import timestamp_tolerance
from video.readers.jpeg_pack import write_pack
from video.readers.probe import holes_between
from video.readers.random_access import read_frames
from video.readers.sequential import DecodedFrame, SequentialDecoder
from video.recording import Recording, Span, UnreadableVideo, merge_spans
from video.worker_processes import ReportProgress

COMPARED = 32  # frames of a recording whose loss of quality is measured


@dataclass(frozen=True)
class TranscodeResult:
    """A prepared recording, and what became of it."""

    recording: Recording
    original_bytes: int
    psnr: float  # of luma, in dB, over some frames
    left_out: list[Span]
    damaged: int  # frames of the original that could not be decoded


def transcode(
    original: Recording,
    file: Path,
    settings: PrepareSettings,
    left_out: Sequence[Span],
    tell: ReportProgress,
) -> TranscodeResult:
    """Writes the prepared form of a recording and reads it again.

    The file is complete or absent; beside it stands NAME.json, written last, which says that it
    is. Raises UnreadableVideo for the original, OSError where nothing can be written.
    """
    passing = _FrameFilter(original, settings, left_out, tell)
    file.parent.mkdir(parents=True, exist_ok=True)
    fps = min(settings.frame_rate or original.fps, original.fps)
    if settings.form == "jpeg":
        pictures = ((t, encode_jpeg(pixels, settings.quality)) for t, pixels in passing.frames())
        write_pack(
            file,
            pictures,
            lambda: json.dumps(row_from(_prepared_row(original, file, fps, passing))).encode(),
        )
    else:
        options = FAST_TO_READ | {"crf": str(settings.quality)}
        write_h264(file, passing.frames(), fps, options)
    prepared = replace(_prepared_row(original, file, fps, passing), bytes=file.stat().st_size)
    prepared = _verify(prepared, tell)
    rewritten = TranscodeResult(
        prepared,
        original.bytes or total_bytes(original.path),
        passing.psnr(prepared),
        list(left_out),
        len(passing.whole.lost),
    )
    record = asdict(rewritten) | {"recording": row_from(prepared), "settings": asdict(settings)}
    with atomic_writer(file.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return rewritten


class _FrameFilter:
    """The frames of a recording that are kept, scaled and cut, and some of them remembered."""

    def __init__(
        self,
        original: Recording,
        settings: PrepareSettings,
        left_out: Sequence[Span],
        tell: ReportProgress,
    ) -> None:
        self._original, self._settings, self._tell = original, settings, tell
        self.left_out = list(left_out)
        self.geometry: Geometry = geometry(original, settings)
        self.whole = SequentialDecoder(original)
        self.times: list[float] = []
        rng = verify.rng_for(original.path)
        self._due = sorted(rng.uniform(0, original.seconds, COMPARED).tolist())
        self._remembered: list[tuple[float, UInt8[np.ndarray, "h w c"]]] = []

    def frames(self) -> Iterator[tuple[float, UInt8[np.ndarray, "h w c"]]]:
        rows, columns, top, left, height, width, _ = self.geometry
        for number, frame in enumerate(self._at_rate()):
            if number % 50 == 0:
                self._tell(min(frame.time / self._original.seconds, 0.99))
            pixels = frame.pixels(rows, columns)[top : top + height, left : left + width]
            pixels = np.ascontiguousarray(pixels)
            self.times.append(frame.time)
            while self._due and self._due[0] <= frame.time:
                self._due.pop(0)
                if not self._remembered or self._remembered[-1][0] < frame.time:
                    self._remembered.append((frame.time, pixels))
            yield frame.time, pixels
        if not self.times:
            raise UnreadableVideo(self._original.path, "nothing of it is left to prepare")
        if not self._remembered:
            self._remembered.append((frame.time, pixels))

    def _at_rate(self) -> Iterator[DecodedFrame]:
        """Of the frames that are not left out, those shown at the ticks of the frame rate."""
        rate = self._settings.frame_rate
        kept = (frame for frame in self.whole if not self._is_left_out(frame.time))
        if rate is None or rate >= self._original.fps:
            yield from kept
            return
        tolerance = timestamp_tolerance(self._original.fps)
        before: DecodedFrame | None = None
        for frame in kept:
            if before is not None and _tick(before.time - tolerance, rate) < frame.time - tolerance:
                yield before
            before = frame
        if before is not None:
            end = before.time + 1 / self._original.fps
            if _tick(before.time - tolerance, rate) < end - tolerance:
                yield before

    def _is_left_out(self, time: float) -> bool:
        place = bisect_right(self.left_out, time, key=lambda span: span[0]) - 1
        # spans may overlap, so an earlier one may reach further
        return any(time < end for _, end in self.left_out[: place + 1])

    def psnr(self, prepared: Recording) -> float:
        """The ratio of the greatest luma to the mean error of what is read, in dB."""
        errors: list[float] = []
        for time, pixels in self._remembered:
            (read,) = read_frames(prepared, [time], *prepared.shape)
            errors.append(float(((_luma(read) - _luma(pixels)) ** 2).mean()))
        error = max(float(np.mean(errors)), 1e-4)
        return round(10 * math.log10(255**2 / error), 2)


def _tick(time: float, rate: float) -> float:
    """The first tick of the frame rate that is not before `time`."""
    return math.ceil(time * rate) / rate


def _luma(pixels: UInt8[np.ndarray, "h w c"]) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def _prepared_row(original: Recording, file: Path, fps: float, passing: _FrameFilter) -> Recording:
    """The prepared recording on its original's axis of time."""
    times = passing.times
    end = min(times[-1] + 1 / fps, max(original.seconds, times[-1] + 1 / original.fps))
    holes = merge_spans([*original.holes, *passing.left_out, *holes_between(times, fps)])
    return replace(
        original,
        path=str(file),
        reader="pack" if file.suffix == PREPARED_SUFFIX["jpeg"] else "pyav",
        fps=fps,
        frames=len(times),
        seconds=end,
        width=passing.geometry.width,
        height=passing.geometry.height,
        first=0.0,
        rotation=0,
        holes=tuple((begin, min(finish, end)) for begin, finish in holes if begin < end),
        view=passing.geometry.view,
        motion=original.motion[: math.ceil(len(original.motion) * end / original.seconds)],
        key_frame_seconds=None,
        bytes=None,
        content="",
        original=str(Path(original.path).absolute()),
        original_content=original.content,
        original_first=original.first,
    )


def _verify(prepared: Recording, tell: ReportProgress) -> Recording:
    """The prepared recording, after random places of it were compared."""
    groups = verify.draw_times(prepared, 4, np.random.default_rng(0))
    return verify.choose_reader(prepared, "pyav", groups, verify.sequential_truth(prepared), tell)
