"""Whether reading recordings keeps up with a GPU, by an assumed speed of one core."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from pretrain.config import PretrainConfig
from video.text_table import format_table

HEAD = ("recordings", "clips/s of a core", "cores needed", "clips/s read", "limit")
MEASURED_FRAMES, MEASURED_PIXELS = 16, 224 * 224  # of a clip
CROP_MS = 1.3  # of a clip: crop and resize to the input


class RecordingForm(NamedTuple):
    """How recordings are stored; measured by `benchmarks.data_loading` on one core."""

    name: str
    decode_ms: float  # of the frames of one read


PREPARED_FORMS = (RecordingForm("prepared, JPEG", 4.8), RecordingForm("prepared, H.264", 11.6))
FORMS = (
    *PREPARED_FORMS,
    RecordingForm("original, 480p", 240),
    RecordingForm("original, 1080p", 815),
)


def core_rate(config: PretrainConfig, form: RecordingForm) -> float:
    """Clips per second of one core, which grow with the clips that are made of one read."""
    height, width = config.encoder.image_size
    decode = form.decode_ms / config.data.clips_per_read
    crop = CROP_MS * height * width / MEASURED_PIXELS
    return 1000 / ((decode + crop) * config.encoder.num_frames / MEASURED_FRAMES)


def cores_needed(config: PretrainConfig, form: RecordingForm, rate: float) -> int:
    """Of a GPU that trains `rate` clips per second: those that read, and one that trains."""
    return math.ceil(rate / core_rate(config, form)) + 1


def describe_reading(config: PretrainConfig, workers: int, rate: float) -> Iterator[str]:
    """Lines of a table; a GPU trains `rate` clips per second and has so many workers."""
    yield (
        f"reading: a GPU trains {rate:.0f} clips/s; each of its {workers} workers reads on one "
        "core, and one core more trains"
    )
    rows: list[tuple[str, ...]] = [HEAD]
    for form in FORMS:
        of_core = core_rate(config, form)
        read = of_core * workers
        limit = "training" if read >= rate else f"reading: {read / rate:.0%} of the clips/s"
        cores = str(cores_needed(config, form, rate))
        rows.append((form.name, f"{of_core:.3g}", cores, f"{read:.0f}", limit))
    yield from (f"  {line}" for line in format_table(rows))
    yield (
        "  assumed: clips/s of a core as measured on a 2-core machine without a GPU "
        f"(benchmarks/README.md, Reading), with {config.data.clips_per_read} clips per read; "
        "python -m benchmarks.data_loading measures yours"
    )
