"""Parts of `benchmarks.data_loading`: the dataloader, and the CPU cores that one GPU needs."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.dataloader import print_speeds
from benchmarks.recordings import prepared, raw_recordings
from encoder.config import EncoderConfig
from masking import DualMasking
from pretrain.config import DecoderConfig
from pretrain.flops import forward_cost
from video.config import Augmentation
from video.multiscale_crop import apply_crop, draw_crop
from video.readers.random_access import read_frames
from video.recording import Recording

CLIPS = 16
GPU_FLOPS = 300e12  # assumed for a bf16 training step on an H100 or H200


def print_pipeline(folder: Path, spent: dict[str, dict[str, float]]) -> None:
    """Prints the parts, the dataloader with 1 and 2 workers, and the cores for each model size."""
    raw = raw_recordings(folder)["480p, GOP 250"]
    pack = prepared(raw, folder, "jpeg", None)
    _print_opening_cost(raw_recordings(folder), folder)
    _print_parts(pack)
    print_speeds(pack, 3)
    _print_cores(spent["1080p, GOP 250"])


def _print_parts(pack: Recording) -> None:
    rng = np.random.default_rng(0)
    times = [0.16 * n for n in range(16)]
    frames = torch.from_numpy(read_frames(pack, times, *pack.shape))
    decode = _cpu_ms(lambda: read_frames(pack, times, *pack.shape))
    height, width = pack.shape

    def crop_once() -> None:
        box = draw_crop(Augmentation(), height, width, 224, 224, rng)
        apply_crop(frames, box, 224, 224, False)

    crop = _cpu_ms(crop_once, 200)
    clip = torch.zeros(16, 224, 224, 3, dtype=torch.uint8)
    collate = _cpu_ms(lambda: torch.stack([clip] * CLIPS)) / CLIPS
    rngs = [np.random.default_rng(n) for n in range(CLIPS)]
    masks = _cpu_ms(lambda: DualMasking().draw((8, 14, 14), rngs)) / CLIPS
    print(
        f"\nparts of a clip, jpeg 480p, ms: decode {decode:.2f}, crop and resize {crop:.2f}, "
        f"collate {collate:.2f}, masks {masks:.3f}"
    )


def _print_opening_cost(recordings: dict[str, Recording], folder: Path) -> None:
    """CPU time until the first frame of a recording, and of an idle worker."""
    import decord

    for source, raw in recordings.items():
        forms = {"raw": raw} | {
            form: prepared(raw, folder, form, None) for form in ("h264", "jpeg")
        }
        costs = {
            name: _cpu_ms(partial(read_frames, recording, [0.0], 8, 8))
            for name, recording in forms.items()
        }
        costs["decord"] = _cpu_ms(partial(_first_frame_by_decord, raw.path))
        text = ", ".join(f"{name} {cost:.1f}" for name, cost in costs.items())
        print(f"opening and first frame, {source}, {raw.seconds / 60:.0f} min, ms: {text}")
    raw = next(iter(recordings.values()))
    read_frames(raw, [0.0], 8, 8)
    ours = _idle_share()
    reader = decord.VideoReader(raw.path, num_threads=1)
    reader[0]
    print(f"an idle worker: {ours:.1%} of a core, with an open decord reader {_idle_share():.1%}")


def _first_frame_by_decord(path: str) -> object:
    import decord

    return decord.VideoReader(path, num_threads=1)[0]


def _idle_share(seconds: float = 3.0) -> float:
    start = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - start) / seconds


def _cpu_ms(work: Callable[[], object], rounds: int = 25) -> float:
    """Mean over the rounds, without the first three."""
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1e3 * statistics.mean(spent[3:])


def _print_cores(spent: dict[str, float]) -> None:
    """Cores that saturate one GPU: clips/s of the model times the CPU time of a clip."""
    print(f"\nCPU cores per GPU at {GPU_FLOPS / 1e12:.0f} TFLOP/s, 1080p recordings")
    rows = {
        name: value
        for name, value in spent.items()
        if name.startswith(("baseline", "raw", "h264 (", "jpeg ("))
    }
    print(f"{'':10}{'clips/s':>9}" + "".join(f"{name.split(' (')[0]:>20}" for name in rows))
    print(
        f"{'':19}" + "".join(f"{'4 clips' if '4 clips' in name else '1 clip':>20}" for name in rows)
    )
    for size in ("small", "base", "large", "huge", "giant"):
        encoder, decoder = EncoderConfig(size=size), DecoderConfig(size=size)
        counts = DualMasking().counts(encoder.grid)
        rate = GPU_FLOPS / forward_cost(encoder, decoder, counts).training_flops
        cores = "".join(f"{rate * value / 1e3:>20.0f}" for value in rows.values())
        print(f"{size:10}{rate:9.0f}{cores}")
