"""The fingerprint of a recording: hashes of frames at times spread over it."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from video.near_duplicates.frame_hash import HASH_BYTES, hash_frame

VERSION = "1"  # of the hashes and of the text
MIN_INTERVAL, SHORT_FRAMES = 0.25, 256  # seconds between the frames of a short recording
INTERVAL, MAX_FRAMES = 4.0, 2000  # of a long one; so its text fits a cell of a spreadsheet
PLACES = np.random.default_rng(0).random(MAX_FRAMES)  # in parts of a recording
MAX_HEADER_TEXT = 2**25  # characters of all fingerprints in the metadata of a file
MAX_SECONDS = (2**32 - 1) / 100  # 497 days
RECORD = np.dtype([("time", "<u4"), ("hash", "u1", HASH_BYTES)])  # time in 1/100 s


class Fingerprint(NamedTuple):
    """Frames of a recording that show something: their times in seconds, and their hashes."""

    times: Float[np.ndarray, " n"]
    hashes: UInt8[np.ndarray, "n bytes"]

    def text(self) -> str:
        """`1:` and base64: for each frame, its time in 1/100 s (4 bytes) and its hash (8)."""
        records = np.empty(len(self.times), RECORD)
        records["time"], records["hash"] = np.round(self.times * 100), self.hashes
        return f"{VERSION}:{base64.b64encode(records.tobytes()).decode()}"

    def thinned(self, frames: int) -> "Fingerprint":
        """Every second, third, ... of its frames, so that it has at most `frames`."""
        return self.every(-(-len(self.times) // frames) if frames else len(self.times) + 1)

    def every(self, step: int) -> "Fingerprint":
        """The first of its frames, and each that is `step` frames after one of these."""
        return Fingerprint(self.times[::step], self.hashes[::step])


def within_header(recordings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same entries, with as many frames in each `fingerprint` as fit into a file of weights.

    safetensors refuses a header of more than 100 MB. All fingerprints together get MAX_HEADER_TEXT.
    """
    texts = [str(each.get("fingerprint", "")) for each in recordings]
    if sum(map(len, texts)) <= MAX_HEADER_TEXT:
        return [dict(each) for each in recordings]
    frames = MAX_HEADER_TEXT // len(texts) * 3 // 4 // RECORD.itemsize - 1  # base64: 4 for 3 bytes
    return [
        {**each, "fingerprint": _thinned_text(text, frames)}
        for each, text in zip(recordings, texts, strict=True)
    ]


def _thinned_text(text: str, frames: int) -> str:
    try:
        known = parse_fingerprint(text)
    except ValueError:
        known = None
    return known.thinned(frames).text() if known else ""


def valid_fingerprint(text: str) -> str:
    """The text itself. Raises ValueError where it is damaged."""
    if text:
        parse_fingerprint(text)
    return text


def parse_fingerprint(text: str) -> Fingerprint | None:
    """The inverse of `Fingerprint.text`; None for another version. Raises ValueError."""
    version, colon, code = text.partition(":")
    if not colon:
        raise ValueError("a fingerprint is VERSION:BASE64")
    if version != VERSION:
        return None
    try:
        records = np.frombuffer(base64.b64decode(code, validate=True), RECORD)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the fingerprint is damaged ({error})") from None
    times = records["time"] / 100
    if len(times) > MAX_FRAMES or (np.diff(times) < 0).any():
        raise ValueError(f"a fingerprint has up to {MAX_FRAMES} frames in order of time")
    return Fingerprint(times, records["hash"])


def sample_times(seconds: float, max_frames: int = MAX_FRAMES) -> Float[np.ndarray, " n"]:
    """Times of a fingerprint: one in each equal part of a recording, at a random place in it.

    So some times of two recordings are close to each other, whatever is cut off from one of them.
    """
    wanted = max(min(seconds / MIN_INTERVAL, SHORT_FRAMES), seconds / INTERVAL)
    parts = int(np.clip(wanted, 1, max_frames))
    part = np.arange(parts)
    times: Float[np.ndarray, " n"] = (part + PLACES[:parts]) * seconds / parts
    return times


def fingerprint_of(
    frames: Iterable[tuple[float, UInt8[np.ndarray, "y x 3"]]],
) -> Fingerprint:
    """The fingerprint of small frames with their times, in order of time."""
    builder = FingerprintBuilder(0.0)
    for time, image in frames:
        builder.add(time, image)
    return builder.fingerprint()


class FingerprintBuilder:
    """Builds the fingerprint of a recording of that length from frames in order of time."""

    def __init__(self, seconds: float) -> None:
        self._due = sample_times(seconds)
        self._next = 0
        self._times: list[float] = []
        self._hashes: list[bytes] = []

    def is_due(self, time: float) -> bool:
        return self._next < len(self._due) and bool(time >= self._due[self._next])

    def add(self, time: float, image: UInt8[np.ndarray, "y x 3"]) -> None:
        """Adds a small frame, unless it shows nothing, or is later than the text can say."""
        self._next = int(np.searchsorted(self._due, time, side="right"))
        if 0 <= time < MAX_SECONDS and (hashed := hash_frame(image)) is not None:
            self._times.append(time)
            self._hashes.append(hashed)

    def fingerprint(self) -> Fingerprint:
        hashes = np.frombuffer(b"".join(self._hashes), np.uint8).reshape(-1, HASH_BYTES)
        return Fingerprint(np.array(self._times, np.float64), hashes)
