"""Time and memory of loading a weights file, compared with the method of published code.

`python -m benchmarks.loading [--size base] [--rounds 5] [--folder F]` writes a pretraining file
with AdamW's moments, as VideoMAE publishes them, and a safetensors file of the same encoder. Each
method loads in its own process; rounds are interleaved. `common` is torch.load of the entire file,
a model with random weights, and load_state_dict. Peak memory is the increase of the resident set,
divided by the bytes of the encoder's weights; pages of a mapped file count.
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

METHODS = ("ours .safetensors", "ours .pth", "common .pth")


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
    """As published code loads: the entire file, then into a randomly initialised model."""
    tensors = torch.load(file, map_location="cpu", weights_only=True)["model"]
    model = VideoEncoder(EncoderConfig(size=size))  # type: ignore[arg-type]
    model.load_state_dict(
        {name.removeprefix("encoder."): tensor for name, tensor in tensors.items()}, strict=False
    )


def resident(field: str) -> int:
    """Resident bytes of this process: VmRSS is the present value, VmHWM the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def measure(method: str, folder: Path, size: str) -> dict[str, float]:
    """Runs one method in this process."""
    file = folder / f"file{method.split()[1]}"
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM to VmRSS
    before, start = resident("VmRSS"), time.perf_counter()
    detected = 0.0
    if method.startswith("ours"):
        read_source(file)
        detected = time.perf_counter() - start
        load_encoder(file)
    else:
        common(file, size)
    seconds = time.perf_counter() - start - detected
    return {"seconds": seconds, "detected": detected, "peak": resident("VmHWM") - before}


def child(method: str, folder: Path, size: str) -> dict[str, float]:
    """Runs one method in its own process."""
    arguments = ["--size", size, "--folder", str(folder), "--method", method]
    command = [sys.executable, "-m", "benchmarks.loading", *arguments]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(completed.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--size", default="base")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        print(json.dumps(measure(options.method, options.folder, options.size)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        bytes_ = write_files(options.size, folder)
        print(f"{options.size}: weights of {bytes_ / 2**30:.2f} GiB, {options.rounds} rounds")
        rounds = [
            {method: child(method, folder, options.size) for method in METHODS}
            for _ in range(options.rounds)
        ]
    for method in METHODS:
        medians = {
            key: statistics.median(one[method][key] for one in rounds)
            for key in ("seconds", "detected", "peak")
        }
        print(
            f"{method:<20}{medians['seconds']:7.2f} s   peak {medians['peak'] / bytes_:5.2f} x "
            + (
                f"  family detected in {medians['detected'] * 1e3:.0f} ms"
                * method.startswith("ours")
            )
        )


if __name__ == "__main__":
    main()
