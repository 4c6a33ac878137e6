"""Transcodes one recording, and verifies the result."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from video.atomic_write import atomic_writer, make_folder
from video.encode import FAST_TO_READ, encode_jpeg, write_h264
from video.fingerprint import total_bytes
from video.manifest import as_listed, row_from
from video.near_duplicates.fingerprint import FingerprintBuilder
from video.near_duplicates.frame_hash import COLUMNS, ROWS
from video.prepare.settings import PREPARED_SUFFIX, Geometry, PrepareSettings, geometry
from video.readers import verify
from video.readers.container import timestamp_tolerance
from video.readers.jpeg_pack import write_pack
from video.readers.probe import holes_between
from video.readers.random_access import read_frames
from video.readers.reference_frames import decode_references
from video.readers.sequential import DecodedFrame, SequentialDecoder
from video.recording import Recording, Span, UnreadableVideo, spans_within
from video.worker_processes import ReportProgress

COMPARED = 32  # frames of a recording for which PSNR is measured


@dataclass(frozen=True)
class TranscodeResult:
    """A prepared recording, and measurements of the transcoding."""

    recording: Recording
    original_bytes: int
    psnr: float  # of luma, in dB, over COMPARED frames
    left_out: list[Span]
    damaged: int  # frames of the original that could not be decoded


def transcode(
    original: Recording,
    file: Path,
    settings: PrepareSettings,
    left_out: Sequence[Span],
    report_progress: ReportProgress,
) -> TranscodeResult:
    """Writes the prepared form of a recording, and verifies it.

    The file is complete or absent. NAME.json in the same folder is written last and marks it as
    complete. Raises UnreadableVideo for the original, OutputError where `file` cannot be written.
    """
    frame_filter = _FrameFilter(original, settings, left_out, report_progress)
    make_folder(file.parent)
    fps = min(settings.frame_rate or original.fps, original.fps)
    if settings.form == "jpeg":
        images = ((t, encode_jpeg(pixels, settings.quality)) for t, pixels in frame_filter.frames())
        write_pack(
            file,
            images,
            lambda: json.dumps(row_from(_prepared_row(original, file, fps, frame_filter))).encode(),
        )
    else:
        options = FAST_TO_READ | {"crf": str(settings.quality)}
        write_h264(file, frame_filter.frames(), fps, options)
    prepared = replace(_prepared_row(original, file, fps, frame_filter), bytes=file.stat().st_size)
    prepared = as_listed(_verify(prepared, report_progress))
    result = TranscodeResult(
        prepared,
        original.bytes or total_bytes(original.path),
        frame_filter.psnr(prepared),
        list(left_out),
        len(frame_filter.decoder.lost),
    )
    record = asdict(result) | {"recording": row_from(prepared), "settings": asdict(settings)}
    with atomic_writer(file.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return result


class _FrameFilter:
    """Selects, resizes and crops the frames of a recording, and stores some for PSNR."""

    def __init__(
        self,
        original: Recording,
        settings: PrepareSettings,
        left_out: Sequence[Span],
        report_progress: ReportProgress,
    ) -> None:
        self._original, self._settings, self._report_progress = original, settings, report_progress
        self.left_out = list(left_out)
        self.geometry: Geometry = geometry(original, settings)
        self.decoder = SequentialDecoder(original)
        self.times: list[float] = []
        self._hashed = FingerprintBuilder(original.seconds)
        rng = verify.rng_for(original.path)
        self._sample_times = sorted(rng.uniform(0, original.seconds, COMPARED).tolist())
        self._stored: list[tuple[float, UInt8[np.ndarray, "h w c"]]] = []

    def frames(self) -> Iterator[tuple[float, UInt8[np.ndarray, "h w c"]]]:
        rows, columns, top, left, height, width, _ = self.geometry
        for number, frame in enumerate(self._at_rate()):
            if number % 50 == 0:
                self._report_progress(min(frame.time / self._original.seconds, 0.99))
            pixels = frame.pixels(rows, columns)[top : top + height, left : left + width]
            pixels = np.ascontiguousarray(pixels)
            self.times.append(frame.time)
            if not self._original.fingerprint and self._hashed.is_due(frame.time):
                self._hashed.add(frame.time, frame.pixels(ROWS, COLUMNS))
            while self._sample_times and self._sample_times[0] <= frame.time:
                self._sample_times.pop(0)
                if not self._stored or self._stored[-1][0] < frame.time:
                    self._stored.append((frame.time, pixels))
            yield frame.time, pixels
        if not self.times:
            raise UnreadableVideo(self._original.path, "has no frames left to prepare")
        if not self._stored:
            self._stored.append((frame.time, pixels))

    @property
    def fingerprint(self) -> str:
        """That of the original, or of the frames so far where it has none."""
        return self._original.fingerprint or self._hashed.fingerprint().text()

    def _at_rate(self) -> Iterator[DecodedFrame]:
        """The frames that are not left out and are displayed at the ticks of the frame rate."""
        rate = self._settings.frame_rate
        selected = (frame for frame in self.decoder if not self._is_left_out(frame.time))
        if rate is None or rate >= self._original.fps:
            yield from selected
            return
        tolerance = timestamp_tolerance(self._original.fps)
        before: DecodedFrame | None = None
        for frame in selected:
            if before is not None and _tick(before.time - tolerance, rate) < frame.time - tolerance:
                yield before
            before = frame
        if before is not None:
            end = before.time + 1 / self._original.fps
            if _tick(before.time - tolerance, rate) < end - tolerance:
                yield before

    def _is_left_out(self, time: float) -> bool:
        index = bisect_right(self.left_out, time, key=lambda span: span[0]) - 1
        # spans may overlap, so an earlier one may reach further
        return any(time < end for _, end in self.left_out[: index + 1])

    def psnr(self, prepared: Recording) -> float:
        """Peak signal-to-noise ratio of the prepared frames in luma, in dB."""
        errors: list[float] = []
        for time, pixels in self._stored:
            (read,) = read_frames(prepared, [time], *prepared.shape)
            errors.append(float(((_luma(read) - _luma(pixels)) ** 2).mean()))
        error = max(float(np.mean(errors)), 1e-4)
        return round(10 * math.log10(255**2 / error), 2)


def _tick(time: float, rate: float) -> float:
    """The first tick of the frame rate at or after `time`."""
    return math.ceil(time * rate) / rate


def _luma(pixels: UInt8[np.ndarray, "h w c"]) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def _prepared_row(
    original: Recording, file: Path, fps: float, frame_filter: _FrameFilter
) -> Recording:
    """The row of the prepared recording, on the time axis of its original."""
    times = frame_filter.times
    end = min(times[-1] + 1 / fps, max(original.seconds, times[-1] + 1 / original.fps))
    holes = [*original.holes, *frame_filter.left_out, *holes_between(times, fps)]
    return replace(
        original,
        path=str(file),
        reader="pack" if file.suffix == PREPARED_SUFFIX["jpeg"] else "pyav",
        fps=fps,
        frames=len(times),
        seconds=end,
        width=frame_filter.geometry.width,
        height=frame_filter.geometry.height,
        first=0.0,
        rotation=0,
        holes=spans_within(holes, end),
        black=spans_within(original.black, end),
        frozen=spans_within(original.frozen, end),
        view=frame_filter.geometry.view,
        motion=original.motion[: math.ceil(len(original.motion) * end / original.seconds)],
        key_frame_seconds=None,
        bytes=None,
        content="",
        original=str(Path(original.path).absolute()),
        original_content=original.content,
        original_first=original.first,
        stream=None,
        fingerprint=frame_filter.fingerprint,
    )


def _verify(prepared: Recording, report_progress: ReportProgress) -> Recording:
    """The prepared recording, verified at random positions."""
    drawn = verify.draw_times(prepared, np.random.default_rng(0), is_quick=True)
    groups, images, _ = decode_references(prepared, drawn, report_progress)
    return verify.choose_reader(prepared, "pyav", groups, images, report_progress)
