"""Encodes frames: H.264 in mp4, and JPEG."""

import io
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from video.atomic_write import atomic_writer

TICKS = 90_000  # timestamp units per second
THREADS = {"threads": "1"}  # makes the bytes reproducible

# A key frame every ten seconds, as surgical recorders write.
AS_RECORDED = {"preset": "veryfast", "crf": "21", "g": "250"}
# Frequent key frames, and three of four frames are not referenced by others, so that a reader can
# skip them.
FAST_TO_READ = {
    "preset": "veryfast",
    "tune": "fastdecode",
    "g": "16",
    "bf": "3",
    "b_strategy": "0",
    "x264-params": "b-pyramid=none:scenecut=0",
}


def write_h264(
    file: Path,
    frames: Iterable[tuple[float, UInt8[np.ndarray, "h w c"]]],
    fps: float,
    options: Mapping[str, str],
) -> None:
    """Writes RGB frames of even height and width with their times in seconds, as mp4.

    The file is complete or absent. Raises OutputError, for example on a full disk.
    """
    with atomic_writer(file) as draft, av.open(str(draft), "w", format="mp4") as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={**options, **THREADS})
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        started = False
        for time, pixels in frames:
            if not started:
                stream.height, stream.width = pixels.shape[:2]
                started = True
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def encode_jpeg(pixels: UInt8[np.ndarray, "h w c"], quality: int) -> bytes:
    """One image; `quality` is libjpeg's, 1 to 95."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()
