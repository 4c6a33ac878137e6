"""Everything about one recording: decoded from end to end, and compared with random access."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from video.apart import Tell
from video.checking.field_of_view import estimate_view
from video.checking.looks import ROWS, Looks
from video.checking.problems import Problem
from video.content import content_of
from video.reading import read_frames, verify
from video.reading.container import EARLY
from video.reading.probe import holes_between, probe
from video.reading.whole import Frame, Whole
from video.recording import ReaderName, Recording, Span, UnreadableVideo

PLACES = 8  # where random access is compared, beside the last frames
FAR_KEY_FRAMES = 3.0  # seconds
UNSTEADY = 0.1  # of the usual time between frames


class Examined(NamedTuple):
    """What `check` says of a recording."""

    recording: Recording
    problems: list[Problem]


def examine(path: str, reader: ReaderName, folder_fps: float, tell: Tell) -> Examined:
    """Decodes all of a recording and finds a reader for it. Raises UnreadableVideo."""
    probed = probe(path, folder_fps)
    rng = np.random.default_rng(zlib.crc32(Path(path).name.encode()))
    seen = _Seen(probed, verify.draw_times(probed, PLACES, rng))
    whole = Whole(probed)
    for frame in whole:
        seen.add(frame)
        if len(seen.times) % 100 == 0:
            tell(min(frame.time / probed.seconds, 0.99))
    if not seen.times:
        raise UnreadableVideo(path, "holds no frame that can be decoded")
    recording = seen.described(whole, content_of(path))
    groups, pictures = seen.sound_groups(recording)
    if probed.reader in ("frames", "pack"):
        for times in groups:
            read_frames(recording, times, verify.ROWS, verify.COLUMNS)
        chosen = replace(recording, verified=f"{len(groups)} places")
    else:
        truth = dict(zip(map(tuple, groups), pictures, strict=True))
        chosen = verify.choose_reader(
            recording, reader, groups, lambda times: truth[tuple(times)], tell
        )
    chosen = replace(chosen, verified=f"all frames, {chosen.verified}")
    return Examined(chosen, _problems(probed, chosen, whole, seen, reader))


class _Seen:
    """What is kept of the frames of a recording while they pass by."""

    def __init__(self, recording: Recording, groups: Sequence[Sequence[float]]) -> None:
        self._recording, self._groups = recording, groups
        self._wanted = sorted({time for times in groups for time in times})
        self._shown: dict[float, tuple[float, UInt8[np.ndarray, "y x 3"]]] = {}
        self._before: Frame | None = None
        self._early = min(EARLY, 0.5 / recording.fps)
        self._columns = max(1, round(ROWS * recording.width / recording.height))
        self.looks = Looks()
        self.times: list[float] = []
        self.key_times: list[float] = []
        self.interlaced = 0

    def add(self, frame: Frame) -> None:
        self._show_until(frame.time)
        self._before = frame
        self.times.append(frame.time)
        if frame.is_key:
            self.key_times.append(frame.time)
        self.interlaced += frame.interlaced
        if self.looks.is_due(frame.time):
            self.looks.add(frame.time, frame.picture(ROWS, self._columns))

    def _show_until(self, time: float) -> None:
        """Keeps the last frame for the times at which it was shown."""
        while self._wanted and self._wanted[0] + self._early < time:
            at = self._wanted.pop(0)
            if self._before is not None:
                picture = self._before.picture(verify.ROWS, verify.COLUMNS)
                self._shown[at] = self._before.time, picture

    def described(self, whole: Whole, content: str) -> Recording:
        """The recording with all that its frames told."""
        probed, times = self._recording, self.times
        self._show_until(float("inf"))
        end = times[-1] + 1 / probed.fps
        damaged = _joined([(time, time + 1 / probed.fps) for time in whole.lost if time < end])
        gaps = np.diff([*self.key_times, end])
        path = Path(probed.path)
        return replace(
            probed,
            frames=len(times),
            seconds=end,
            holes=_joined([*holes_between(times, probed.fps), *damaged]),
            black=self.looks.black(end),
            frozen=self.looks.frozen(end),
            view=estimate_view(self.looks.kept),
            motion=self.looks.motion(end),
            key_frame_seconds=None
            if probed.reader in ("frames", "pack") or not len(gaps)
            else round(float(gaps.max()), 3),
            steady=self._is_steady(),
            bytes=sum(file.stat().st_size for file in path.iterdir())
            if path.is_dir()
            else path.stat().st_size,
            content=content,
        )

    def _is_steady(self) -> bool:
        steps = np.diff(self.times)
        usual = float(np.median(steps)) if len(steps) else 0.0
        return bool((np.abs(steps - usual) <= max(UNSTEADY * usual, 2e-3)).all())

    def sound_groups(
        self, recording: Recording
    ) -> tuple[list[Sequence[float]], list[UInt8[np.ndarray, "t y x 3"]]]:
        """The groups of times whose frames were decoded, with the frames."""
        groups, pictures = [], []
        for times in self._groups:
            shown = [self._shown[time] for time in times if time in self._shown]
            touched = any(
                begin - 1 / recording.fps <= time <= end
                for begin, end in recording.holes
                for time in times
            )
            if len(shown) == len(times) and not touched and times[-1] <= recording.seconds:
                groups.append(times)
                pictures.append(np.stack([picture for _, picture in shown]))
        return groups, pictures


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1] + 1e-3:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return tuple((round(begin, 4), round(end, 4)) for begin, end in joined)


def _problems(
    probed: Recording, recording: Recording, whole: Whole, seen: _Seen, reader: ReaderName
) -> list[Problem]:
    """What the owner of a recording should know, in words."""
    found: list[Problem] = []

    def note(kind, detail: str) -> None:  # type: ignore[no-untyped-def]
        found.append(Problem(kind, recording.path, detail))

    if whole.lost or whole.errors:
        spans = "; ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in recording.holes[:5])
        note("damaged", f"{len(whole.lost)} frames, {spans}")
    if whole.announced not in (0, recording.frames):
        note("count", f"announces {whole.announced}, {recording.frames} can be decoded")
    if recording.reader not in (reader, "frames", "pack"):
        note("reader", f"read with {recording.reader}")
    gaps = holes_between(seen.times, recording.fps)
    if gaps:
        total = sum(end - begin for begin, end in gaps)
        note("gaps", f"{len(gaps)} gaps, {total:.1f} s of {recording.seconds:.1f}")
    for kind, spans_of in (("black", recording.black), ("frozen", recording.frozen)):
        if spans_of:
            total = sum(end - begin for begin, end in spans_of)
            note(kind, f"{total:.1f} s in {len(spans_of)} spans, first {spans_of[0][0]:.1f} s")
    if recording.steady is False and recording.reader != "frames":
        steps = np.diff(seen.times)
        note("unsteady", f"{1e3 * steps.min():.0f} to {1e3 * steps.max():.0f} ms between frames")
    if (recording.key_frame_seconds or 0) > FAR_KEY_FRAMES:
        note("key frames", f"up to {recording.key_frame_seconds:.1f} s apart")
    if seen.interlaced:
        note("interlaced", f"{seen.interlaced} of {recording.frames} frames")
    if probed.rotation:
        note("rotated", f"by {probed.rotation} degrees")
    return found
