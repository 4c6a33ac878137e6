"""Small runs of the program itself."""

import json
from pathlib import Path
from typing import Any

from pretrain.data import TENSORS, PretrainBatch
from tests.conftest import (
    UMASK,
    Outcome,
    outcome_of,
    start_python,
    start_together,
    wait_until,
)

SMALL = (
    "encoder={embed_dim: 32, depth: 2, num_heads: 2, num_frames: 4, image_size: 64}",
    "decoder={embed_dim: 32, depth: 1, num_heads: 2}",
    "data.sampling={frame_rate: 6.25}",
    "data.clips_per_read=1",
    "data.workers=0",
    "batch={global_batch_size: 8, micro_batch_size: 2}",
    "schedule={steps: 6, warmup: 0.2}",
    "checkpoint.every_steps=3",
    "log={every_steps: 1, images_every_steps: 100, feature_clips: 2}",
)


def words(source: Path, run: Path, *overrides: str) -> list[str]:
    """Command line of a small run; later overrides replace earlier ones."""
    return ["demo", f"data.source={source}", f"run={run}", *SMALL, *overrides]


def kept(batch: PretrainBatch) -> PretrainBatch:
    """With tensors of its own, which no later batch overwrites."""
    return batch._replace(**{name: getattr(batch, name).clone() for name in TENSORS})


def log_of(run: Path) -> list[dict[str, Any]]:
    """Logged lines of training metrics."""
    return [line for line in _lines(run) if "loss/train" in line]


def feature_log_of(run: Path) -> list[dict[str, Any]]:
    """Logged lines of feature metrics."""
    return [line for line in _lines(run) if "features/rankme" in line]


def _lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss/train"] for line in log_of(run)]


def loss_figures(run: Path) -> dict[str, list[float]]:
    """All logged losses of a run, by name: of training, of the baseline and of the parts."""
    names = [name for name in log_of(run)[0] if name.startswith("loss/")]
    return {name: [line[name] for line in log_of(run)] for name in names}


def run_alone(arguments: list[str], **environment: str) -> Outcome:
    words = ["-m", "pretrain", *arguments]
    return outcome_of(start_python(words, environment=environment, umask=UMASK))


def start_until(appears: Path, arguments: list[str], world_size: int) -> list[Any]:
    """Starts a run and returns its processes when a path exists."""
    started = start_together(["-m", "pretrain", *arguments], world_size)
    wait_until(appears.exists, *started)
    return started


def end(started: list[Any]) -> list[Outcome]:
    """Waits for the processes of a run; one outcome per rank."""
    return [outcome_of(process) for process in started]
