"""Clips a second and memory of a training step, beside Hugging Face's VideoMAE.

    python -m benchmarks.step [--sizes small base] [--precisions fp32 bf16] [--rounds 5]

Forward, backward and AdamW at 16x224x224 on random clips. The contestants take turns in one
process, so that a drift of the machine meets all of them; medians and their spread are shown.
The share of the peak counts the operations that the contestant's objective needs, over what large
matrix products reach in the second before the step.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from encoder.config import EncoderConfig
from launch.meter import memory_gib
from masking import DualMasking
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.config import DecoderConfig, TargetConfig
from pretrain.cost import forward_cost
from pretrain.objective import token_errors
from pretrain.targets import build_target
from pretrain.weights import huggingface_config

OURS_DUAL, OURS_ALL, PEER = "this project, dual masking", "this project, all hidden", "transformers"
CONTESTANTS = (OURS_DUAL, OURS_ALL, PEER)
DUAL, ALL = DualMasking(), DualMasking(decoder=None)


class Contestant(NamedTuple):
    """One way of making a training step."""

    step: Callable[[int], None]  # with the number of the round, which picks the clips
    flops: int  # that its objective needs, of all clips of a step


def build(name: str, size: Any, clips: int, precision: str, device: torch.device) -> Contestant:
    """A contestant ready to step; weights and clips are the same for all of them by seed."""
    torch.manual_seed(0)
    masking = DUAL if name == OURS_DUAL else ALL
    encoder, decoder = EncoderConfig(size=size), DecoderConfig(size=size)
    rngs = [np.random.default_rng(i) for i in range(clips)]
    masks = masking.draw(encoder.grid, rngs)
    visible, decoded = (torch.from_numpy(index).to(device) for index in masks)
    data = torch.randint(0, 256, (3, clips, 16, 224, 224, 3), dtype=torch.uint8, device=device)
    make = _peer_loss if name == PEER else _our_loss
    model, loss = make(encoder, decoder, visible, decoded)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)

    def step(number: int) -> None:
        with _autocast(precision, device):
            value = loss(data[number % len(data)])
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value.item()

    cost = forward_cost(encoder, decoder, masking.counts(encoder.grid))
    return Contestant(step, cost.training_flops * clips)


def _autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _our_loss(
    encoder: EncoderConfig, decoder: DecoderConfig, visible: Tensor, decoded: Tensor
) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    model = MaskedAutoencoder(encoder, decoder)

    def loss(clip: Tensor) -> Tensor:
        target = build_target(clip, decoded, encoder, TargetConfig())
        prediction = model(clip, visible, decoded)
        return token_errors(prediction, target.values, visible, decoded, encoder.tokens).loss()

    return model, loss


def _peer_loss(
    encoder: EncoderConfig, decoder: DecoderConfig, visible: Tensor, decoded: Tensor
) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """Hugging Face's model decodes every hidden token; its clips come standardised, as it wants."""
    from transformers import VideoMAEConfig, VideoMAEForPreTraining

    settings = huggingface_config(encoder, decoder, "normalised_pixels")
    model = VideoMAEForPreTraining(VideoMAEConfig(**settings, attn_implementation="sdpa"))
    hidden = torch.ones(len(visible), encoder.tokens, dtype=torch.bool, device=visible.device)
    hidden.scatter_(1, visible, False)
    mean, std = torch.tensor(encoder.mean), torch.tensor(encoder.std)

    def loss(clip: Tensor) -> Tensor:
        pixels = (clip.float() / 255 - mean.to(clip.device)) / std.to(clip.device)
        return model(pixels.permute(0, 1, 4, 2, 3), bool_masked_pos=hidden).loss

    return model, loss


def matrix_peak(precision: str, device: torch.device) -> float:
    """Operations a second of large matrix products, for about a second."""
    side = 16384 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    out = a @ a
    began, products = _now(device), 0
    while _now(device) - began < 1:
        torch.mm(a, a, out=out)
        products += 1
    return 2 * side**3 * products / (_now(device) - began)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def compare(size: str, precision: str, clips: int, rounds: int, device: torch.device) -> None:
    """Prints the table of one size and precision."""
    contestants = {name: build(name, size, clips, precision, device) for name in CONTESTANTS}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    peaks: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, contestant in contestants.items():
            # measured beside each step, for a shared machine is not as fast at all times
            peak = matrix_peak(precision, device)
            began = _now(device)
            contestant.step(number)
            if number:  # the first round warms up
                seconds[name].append(_now(device) - began)
                peaks[name].append(peak)
    peak = statistics.median(value for beside in peaks.values() for value in beside)
    peer = statistics.median(seconds[PEER])
    print(f"\n{size}, {clips} clips a step, {precision}; matrix product {peak / 1e9:.0f} GFLOP/s")
    print(f"{'':30}{'ms':>8}{'min':>8}{'max':>8}{'clips/s':>9}{'of peak':>9}{'ratio':>7}{'GiB':>7}")
    for name, times in seconds.items():
        middle = statistics.median(times)
        shares = [contestants[name].flops / t / p for t, p in zip(times, peaks[name], strict=True)]
        share = statistics.median(shares)
        memory = peak_memory(name, size, precision, clips)
        print(
            f"{name:30}{middle * 1e3:8.0f}{min(times) * 1e3:8.0f}{max(times) * 1e3:8.0f}"
            f"{clips / middle:9.2f}{share:9.0%}{peer / middle:7.2f}{memory:7.2f}",
            flush=True,
        )


def peak_memory(name: str, size: str, precision: str, clips: int) -> float:
    """GiB that two steps need at most, measured in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.step", "--memory-of", name, "--sizes", size]
    command += ["--precisions", precision, "--clips", str(clips)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_memory(name: str, size: str, precision: str, clips: int, device: torch.device) -> None:
    contestant = build(name, size, clips, precision, device)
    for number in range(2):
        contestant.step(number)
    print(memory_gib(device))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["small", "base"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, help="of a step; 8 for small, 4 for others on a CPU")
    parser.add_argument("--memory-of", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for size in options.sizes:
        clips = options.clips or (32 if device.type == "cuda" else 8 if size == "small" else 4)
        for precision in options.precisions:
            if options.memory_of:
                print_memory(options.memory_of, size, precision, clips, device)
            else:
                compare(size, precision, clips, options.rounds, device)


if __name__ == "__main__":
    main()
