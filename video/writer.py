"""The door to the video encoder."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8


def write_h264(
    file: Path, frames: Iterable[UInt8[np.ndarray, "h w c"]], fps: int, gop: int, quality: int = 21
) -> None:
    """Writes RGB frames of even height and width as H.264 in mp4; complete or not at all.

    `gop` is the number of frames from one key frame to the next, `quality` libx264's crf: 18 can
    hardly be told from the original, 28 is coarse. One thread, so that the bytes are always the
    same.
    """
    draft = file.with_name(f".{file.name}.draft")
    with av.open(str(draft), "w", format="mp4") as container:
        options = {"crf": str(quality), "preset": "veryfast", "g": str(gop), "threads": "1"}
        stream = container.add_stream("libx264", rate=Fraction(fps), options=options)
        stream.pix_fmt = "yuv420p"
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    draft.replace(file)
