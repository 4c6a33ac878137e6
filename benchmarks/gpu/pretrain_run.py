"""Real pretraining runs, inside this process or beside it, on tiny or full-size models."""

import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

import pretrain.run
from benchmarks.gpu.figure import Setting
from benchmarks.profiled_pretrain import random_batch
from encoder.config import EncoderConfig
from launch.recipe import load_recipe
from launch.training.device_copy import to_device
from pretrain.cli import RECIPES
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.data import TENSORS, PretrainBatch
from pretrain.loop import PretrainRun, train
from video.manifest import write_manifest
from video.readers.probe import probe
from video.synthetic import synthesize

TINY = (
    EncoderConfig(embed_dim=128, depth=2, num_heads=2, num_frames=4, image_size=(64, 64)),
    DecoderConfig(embed_dim=64, depth=1, num_heads=1),
)
_TINY_WORDS = (
    "encoder={embed_dim: 128, depth: 2, num_heads: 2, num_frames: 4, image_size: 64}",
    "decoder={embed_dim: 64, depth: 1, num_heads: 1}",
)


def recordings(setting: Setting) -> Path:
    """The manifest of two short synthetic recordings, made once."""
    manifest = setting.shared / "recordings.csv"
    if not manifest.exists():
        files = synthesize(setting.shared, 2, 4.0, 72, seed=0)
        write_manifest([probe(str(file)) for file in files], manifest)
    return manifest


def words(setting: Setting, run: str, size: str, clips: int, *overrides: str) -> list[str]:
    """The command line of a run; `size` is that of the encoder and the decoder, or tiny.

    Later overrides replace earlier ones. Nothing is saved, drawn or compiled unless they say so.
    """
    sizes = (f"encoder={{size: {size}}}", f"decoder={{size: {size}, depth: 4}}")
    return [
        "base",
        f"data.source={recordings(setting)}",
        "data.sampling={frame_rate: 6.25, seconds_per_clip: 0.2}",
        f"run={setting.folder / run}",
        *(_TINY_WORDS if size == "tiny" else sizes),
        f"batch={{global_batch_size: {clips}, micro_batch_size: {clips}}}",
        "data.clips_per_read=1",
        "data.workers=0",
        "engine={zero_stage: 2, compile: false}",
        "checkpoint.every_steps=100000",
        "log={every_steps: 10, images_every_steps: 100000, features_every_steps: 100000, "
        "feature_clips: 2}",
        *overrides,
    ]


def load(arguments: Sequence[str]) -> PretrainConfig:
    return load_recipe(PretrainConfig, arguments[0], list(arguments[1:]), RECIPES)


def train_here(config: PretrainConfig, training: Callable[[PretrainRun], None] = train) -> None:
    """The whole of `python -m pretrain` inside this process, once in its life.

    `training` is called in place of its training loop.
    """
    before = pretrain.run.train
    pretrain.run.train = training  # type: ignore[assignment]
    try:
        with redirect_stdout(io.StringIO()):
            pretrain.run.pretrain(config)
    finally:
        pretrain.run.train = before


def pinned_batches(run: PretrainRun, count: int = 3) -> Iterator[PretrainBatch]:
    """Random micro-batches without end, from pinned memory through the run's own copies."""
    device = run.training.engine.device

    def pinned(batch: PretrainBatch) -> PretrainBatch:
        if device.type != "cuda":
            return batch
        tensors = {name: getattr(batch, name).pin_memory() for name in TENSORS}
        return batch._replace(**tensors)

    batches = [pinned(random_batch(run.config)) for _ in range(count)]
    return to_device(itertools.cycle(batches), device, TENSORS)


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """The logged lines of training metrics of a run."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "loss/train" in line]


def losses(folder: Path) -> list[float]:
    return [line["loss/train"] for line in log_lines(folder)]


def synchronize(device: torch.device) -> None:
    """Waits for the GPU; a CPU has nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
