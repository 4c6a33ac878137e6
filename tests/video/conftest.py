"""Recordings of all kinds, sound and broken."""

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from video.recording import Recording

FPS = 25


def made_up(seconds: float, fps: float = FPS, **known: Any) -> Recording:
    """A recording of which no file exists."""
    facts = {"path": "x.mp4", "reader": "pyav", "frames": round(seconds * fps), "first": 0.0}
    return Recording(
        **facts | {"fps": float(fps), "seconds": seconds, "width": 64, "height": 48} | known
    )


def turn(file: Path, degrees: int) -> None:
    """Writes the rotation of an MP4 as phones do, into the matrix of the track's header (tkhd)."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    content = bytearray(file.read_bytes())
    place = content.index(b"tkhd") + 44  # the matrix of version 0 of the box
    one = 1 << 16
    turned = (cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", content, place, *turned)
    file.write_bytes(content)


def numbered_frame(number: int, rows: int = 48, columns: int = 64) -> np.ndarray:
    """A picture that tells its number: eight bits as black and white bars."""
    bits = [(number >> bit) & 1 for bit in range(8)]
    return np.repeat(
        np.repeat(np.array(bits, np.uint8)[None, :, None] * 200 + 20, columns // 8, axis=1),
        rows,
        axis=0,
    ).repeat(3, axis=2)


def number_of(picture: np.ndarray) -> int:
    """The number that a decoded picture tells."""
    bars = picture.mean(axis=(0, 2)).reshape(8, -1).mean(axis=1) > 120
    return int(sum(int(bar) << bit for bit, bar in enumerate(bars)))


def write(
    file: Path,
    stamps: list[int],
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    units: int = 1000,
) -> Path:
    """A video whose n-th frame tells n and is shown from `stamps[n] / units` seconds on."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options or {"g": "50", "crf": "20"})
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 48
        stream.time_base = stream.codec_context.time_base = Fraction(1, units)
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, units)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


def two_streams(file: Path, seconds: tuple[float, float]) -> Path:
    """A small picture that tells its number, and a larger one that tells its number plus 100."""
    with av.open(str(file), "w") as container:
        for size, _ in zip(((48, 64), (96, 128)), seconds, strict=True):
            stream = container.add_stream("libx264", rate=25)
            stream.pix_fmt, (stream.height, stream.width) = "yuv420p", size
        for number in range(round(25 * max(seconds))):
            for n, stream in enumerate(container.streams.video):
                if number < 25 * seconds[n]:
                    picture = numbered_frame(number + 100 * n, stream.height, stream.width)
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts = number
                    container.mux(stream.encode(frame))
        for stream in container.streams.video:
            container.mux(stream.encode(None))
    return file


def damage_packets(source: Path, file: Path, numbers: Iterable[int]) -> Path:
    """A copy in which these packets, counted from 0, have lost the begin of their data."""
    with av.open(str(source)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(source.read_bytes())
    for number in numbers:
        content[places[number] + 4 : places[number] + 40] = bytes(36)
    file.write_bytes(content)
    return file


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred frames at 25 a second, a key frame every two seconds."""
    return write(tmp_path_factory.mktemp("steady") / "steady.mp4", [40 * n for n in range(200)])


def write_sound(file: Path) -> Path:
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file
