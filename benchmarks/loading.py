"""Time and memory of loading a file of weights, against what the forerunners' programs do.

`python -m benchmarks.loading [--size base] [--rounds 5] [--folder F]` writes a pretraining file
with AdamW's moments, as VideoMAE publishes them, and a safetensors file of the same encoder; each
way then loads in a process of its own, in turns. `common` is torch.load of the whole file, a model
with random weights, load_state_dict. Peak: the highest resident memory less that before the load,
over the bytes of the encoder's weights; pages of a mapped file count.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from encoder.checkpoint.formats.videomae import to_videomae
from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.parse import read_source
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder

WAYS = ("ours .safetensors", "ours .pth", "common .pth")


def write_files(size: str, folder: Path) -> int:
    """Returns the bytes of the encoder's weights."""
    config = EncoderConfig(size=size)  # type: ignore[arg-type]
    with torch.device("meta"):
        shapes = to_videomae(VideoEncoder(config).state_dict(), config)
    tensors = {name: torch.randn(tensor.shape) * 0.02 for name, tensor in shapes.items()}
    save_file(tensors, folder / "file.safetensors")
    moments = {i: {"exp_avg": t, "exp_avg_sq": t.clone()} for i, t in enumerate(tensors.values())}
    torch.save({"model": tensors, "optimizer": {"state": moments}}, folder / "file.pth")
    return sum(tensor.nbytes for tensor in tensors.values())


def common(file: Path, size: str) -> None:
    """As the forerunners' programs load: everything into memory, then over a random model."""
    held = torch.load(file, map_location="cpu", weights_only=True)["model"]
    model = VideoEncoder(EncoderConfig(size=size))  # type: ignore[arg-type]
    model.load_state_dict(
        {name.removeprefix("encoder."): tensor for name, tensor in held.items()}, strict=False
    )


def resident(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def measure(way: str, folder: Path, size: str) -> dict[str, float]:
    """Runs one way in this process."""
    file = folder / f"file{way.split()[1]}"
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far becomes what is now
    before, began = resident("VmRSS"), time.perf_counter()
    known = 0.0
    if way.startswith("ours"):
        read_source(file)
        known = time.perf_counter() - began
        load_encoder(file)
    else:
        common(file, size)
    seconds = time.perf_counter() - began - known
    return {"seconds": seconds, "recognised": known, "peak": resident("VmHWM") - before}


def child(way: str, folder: Path, size: str) -> dict[str, float]:
    """Runs one way in a process of its own."""
    words = ["-m", "benchmarks.loading", "--size", size, "--folder", str(folder), "--way", way]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--size", default="base")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.folder, options.size)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        bytes_ = write_files(options.size, folder)
        print(f"{options.size}: weights of {bytes_ / 2**30:.2f} GiB, {options.rounds} rounds")
        rounds = [
            {way: child(way, folder, options.size) for way in WAYS} for _ in range(options.rounds)
        ]
    for way in WAYS:
        medians = {
            key: statistics.median(one[way][key] for one in rounds)
            for key in ("seconds", "recognised", "peak")
        }
        print(
            f"{way:<20}{medians['seconds']:7.2f} s   peak {medians['peak'] / bytes_:5.2f} x "
            + (f"  recognised in {medians['recognised'] * 1e3:.0f} ms" * way.startswith("ours"))
        )


if __name__ == "__main__":
    main()
