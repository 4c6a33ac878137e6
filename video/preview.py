"""`python -m video preview`: draws random clips, cropped and resized as for training."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from video.atomic_write import require_writable
from video.clip_reader import ClipRead, ClipReader
from video.clip_sampler import ClipLocation, ClipSampler, SamplingPlan
from video.clip_spans import why_no_clip
from video.config import Augmentation, Sampling
from video.manifest import ManifestError
from video.open_source import open_source
from video.progress import show_progress
from video.recording import LARGEST, WantedStream
from video.text_table import format_count, format_time
from video.visualize.select_clips import without_clip

FRAMES_SHOWN = 8  # per clip, evenly spaced
IMAGE_SUFFIXES = (".png", ".jpg")
SIDE = 160  # pixels of a frame in the image
CAPTION, GAP = 22, 3
BACKGROUND, TEXT_COLOR = (255, 255, 255), (33, 37, 41)


def preview(
    source: Path,
    out: Path,
    clips: int,
    frames: int,
    side: int,
    sampling: Sampling,
    seed: int,
    reader: str,
    folder_fps: float,
    timeout: float,
    stream: WantedStream = LARGEST,
) -> int:
    """Writes an image with random clips of the source. Raises ManifestError."""
    require_writable(out)
    if out.suffix.lower() not in IMAGE_SUFFIXES:
        raise ManifestError(
            f"--out {out}: give a name that ends with {' or '.join(IMAGE_SUFFIXES)}"
        )
    opened = open_source(source, reader, folder_fps, timeout, show_progress, stream)
    reasons = {r.path: why_no_clip(r, frames, sampling) for r in opened.recordings}
    failures = [*opened.failures]
    failures += [without_clip(path, reason) for path, reason in reasons.items() if reason]
    recordings = [r for r in opened.recordings if reasons[r.path] is None]
    if not recordings:
        raise ManifestError(f"{source}: has no recording that can be drawn: {failures[0]}")
    for failure in failures:
        print(f"left out: {failure}")
    sampler = ClipSampler(recordings, frames, {"": SamplingPlan(sampling)})
    clip_reader = ClipReader(recordings, sampler, Augmentation(), side, side, 1)
    chosen = np.random.default_rng(seed).choice(
        sampler.reads_per_epoch, min(clips, sampler.reads_per_epoch), replace=False
    )
    rows = []
    for position in sorted(chosen.tolist()):

        def rng(sample: int, stream: str) -> np.random.Generator:
            return np.random.default_rng([seed, sample, *stream.encode()])

        location = sampler.draw(position, rng(position, "clip"))
        read = clip_reader.read(position, rng)
        if not len(read.clips):
            raise read.failures[-1]  # so many tries failed that the disk is probably gone
        rows.append(_row(read, location))
    Image.fromarray(np.concatenate(rows)).save(out)
    print(f"{format_count(len(rows), 'clip')} of {format_count(frames, 'frame')}: {out}")
    return 0


def _row(read: ClipRead, location: ClipLocation) -> UInt8[np.ndarray, "y x 3"]:
    """A row of frames of a clip under the name of its recording and its times."""
    frames = read.clips[0].numpy()
    shown = np.linspace(0, len(frames) - 1, min(FRAMES_SHOWN, len(frames))).round().astype(int)
    sheet = Image.new("RGB", (FRAMES_SHOWN * (SIDE + GAP), CAPTION + SIDE + GAP), BACKGROUND)
    for column, number in enumerate(shown.tolist()):
        image = Image.fromarray(frames[number]).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        sheet.paste(image, (column * (SIDE + GAP), CAPTION))
    begin, end = location.times[0], location.times[-1]
    span = f"{format_time(begin, 2)} to {format_time(end, 2)}"
    if read.failures:
        span = f"instead of {read.failures[0].path}: {read.failures[0].reason}"
    text = f"{Path(read.path).name}   {span}   {len(frames)} frames, {len(shown)} shown"
    ImageDraw.Draw(sheet).text((2, 2), text, fill=TEXT_COLOR, font=ImageFont.load_default(size=14))
    return np.asarray(sheet)
