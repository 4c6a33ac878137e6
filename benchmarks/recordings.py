"""Recordings for the benchmarks: synthetic ones, rendered once, and a real one if available."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from video.encode import write_h264
from video.prepare.settings import DEFAULT_QUALITY, PREPARED_SUFFIX, PreparedFormat, PrepareSettings
from video.prepare.transcode import transcode
from video.readers.probe import probe
from video.recording import Recording
from video.synthetic import Scene, draw_phases

REAL = Path(__file__).parents[1] / "../shared/videos/cholec80_video01/video01_256_25fps.mp4"
FPS, SECONDS, LOOP_SECONDS, NOISE = 25, 60, 3, 4.0  # noise in grey levels
AS_RECORDED = {
    "preset": "veryfast",
    "g": "250",
    "keyint_min": "250",
    "x264-params": "scenecut=0",
}
# Rows, columns, bits/s: below the bit rate of most recorders, which favours the baseline
SIZES = {"1080p": (1080, 1920, 5_000_000), "480p": (480, 854, 2_000_000)}


def raw_recordings(folder: Path) -> dict[str, Recording]:
    """One minute at 1080p and at 480p, with a key frame every ten seconds, and a real operation."""
    recordings = {f"{name}, GOP 250": raw_recording(name, folder) for name in SIZES}
    if REAL.exists():
        recordings["operation, 256x256"] = probe(str(REAL))
    return recordings


def raw_recording(name: str, folder: Path) -> Recording:
    """The synthetic one of this size."""
    rows, columns, bits = SIZES[name]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.mp4"
    if not file.exists():
        print(f"rendering {file}", flush=True)
        frames = ((n / FPS, pixels) for n, pixels in enumerate(_noisy_loop(rows, columns)))
        write_h264(file, frames, FPS, AS_RECORDED | {"b": str(bits)})
    return probe(str(file))


def _noisy_loop(rows: int, columns: int) -> Iterator[np.ndarray]:
    """A scene played forwards and backwards, with noise of another period."""
    rng = np.random.default_rng(0)
    scene = list(Scene(rows, columns, rng).render(draw_phases(LOOP_SECONDS * FPS, rng)))
    loop = scene + scene[::-1]
    noise = rng.normal(0, NOISE, (13, rows, columns, 1)).round().astype(np.int16)
    for number in range(SECONDS * FPS):
        noisy = loop[number % len(loop)] + noise[number % len(noise)]
        yield noisy.clip(0, 255).astype(np.uint8)


@cache
def prepared(
    raw: Recording, folder: Path, form: PreparedFormat, frame_rate: float | None
) -> Recording:
    """The recording prepared in this format, with short side 256."""
    settings = PrepareSettings(form, 256, frame_rate, DEFAULT_QUALITY[form], False)
    name = f"{Path(raw.path).stem}-{form}-{frame_rate or raw.fps:g}{PREPARED_SUFFIX[form]}"
    print(f"preparing {name}", flush=True)
    return transcode(raw, folder / name, settings, [], lambda _: None).recording
