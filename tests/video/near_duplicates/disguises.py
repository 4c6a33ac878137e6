"""One recording in other bytes: re-encoded, cut, mirrored, as a folder and so on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from video.encode import AS_RECORDED, write_h264
from video.near_duplicates.pairs import similar_between
from video.prepare.cli import prepare
from video.prepare.settings import PrepareSettings
from video.readers.probe import probe
from video.readers.sequential import SequentialDecoder
from video.recording import Recording

FOLDER_FPS = 5.0
CUT_SECONDS = 1.9
Change = Callable[[np.ndarray], np.ndarray]


def _encode(
    file: Path,
    out: Path,
    change: Change = lambda pixels: pixels,
    begin: float = 0.0,
    crf: int = 30,
) -> Path:
    recording = probe(str(file))
    frames = (
        (frame.time - begin, np.ascontiguousarray(change(frame.pixels(*recording.shape))))
        for frame in SequentialDecoder(recording)
        if frame.time >= begin
    )
    write_h264(out.with_suffix(".mp4"), frames, 25, AS_RECORDED | {"crf": str(crf), "g": "60"})
    return out.with_suffix(".mp4")


def _mpeg4(file: Path, out: Path) -> Path:
    """Smaller, squeezed, and in an AVI."""
    recording = probe(str(file))
    with av.open(str(out.with_suffix(".avi")), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 64
        for decoded in SequentialDecoder(recording):
            frame = av.VideoFrame.from_ndarray(decoded.pixels(64, 64), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.with_suffix(".avi")


def _copy_packets(file: Path, out: Path, begin: float = 0.0, **metadata: str) -> Path:
    with av.open(str(file)) as source, av.open(str(out), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream_from_template(source.streams.video[0])
        if begin:
            source.seek(round(begin / source.streams.video[0].time_base), stream=source.streams[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    return out


def _appended(file: Path, out: Path) -> Path:
    shutil.copy(file, out.with_suffix(".mp4"))
    with out.with_suffix(".mp4").open("ab") as end:
        end.write(bytes(8))
    return out.with_suffix(".mp4")


def _folder(file: Path, out: Path) -> Path:
    out.mkdir()
    recording, due = probe(str(file)), 0
    for frame in SequentialDecoder(recording):
        if frame.time >= due / FOLDER_FPS:
            Image.fromarray(frame.pixels(*recording.shape)).save(out / f"{due:06d}.jpg")
            due += 1
    return out


def _prepared(file: Path, out: Path) -> Path:
    """Prepared as H.264, moved away from its manifest and its note."""
    folder = out.with_name(f"{out.name}-prepared")
    prepare(file, folder, PrepareSettings("h264", 64, None, 23, False), None, 1.0, 1, 300.0)
    (prepared,) = folder.rglob("*.mp4")
    return Path(shutil.move(prepared, out.with_suffix(".mp4")))


DISGUISES: dict[str, Callable[[Path, Path], Path]] = {
    "encoded again": _encode,
    "smaller, as MPEG-4 in AVI": _mpeg4,
    "in another container": lambda file, out: _copy_packets(file, out.with_suffix(".mkv")),
    "with other metadata": lambda file, out: _copy_packets(
        file, out.with_suffix(".mp4"), title="case 7", comment="exported"
    ),
    "with 8 bytes appended": _appended,
    "without its start": lambda file, out: _encode(file, out, begin=CUT_SECONDS),
    "without its start, packets copied": lambda file, out: _copy_packets(
        file, out.with_suffix(".mkv"), begin=CUT_SECONDS
    ),
    "mirrored": lambda file, out: _encode(file, out, lambda pixels: pixels[:, ::-1]),
    "upside down": lambda file, out: _encode(file, out, lambda pixels: pixels[::-1]),
    "as a folder of frames": _folder,
    "prepared as H.264, without its manifest": _prepared,
}


def is_similar(one: Recording, other: Recording) -> bool:
    return any(similar_between([one.fingerprint], [other.fingerprint]))
