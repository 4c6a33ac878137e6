"""Finetuning runs of the program itself, small enough for a test."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import (
    UMASK,
    Outcome,
    outcome_of,
    start_python,
)

SMALL = (
    "backbone={variant: unified_small, embed_dim: 32, depth: 2, num_heads: 2, num_frames: 4, "
    "image_size: 32}",
    "data.workers=0",
    "batch={global_batch_size: 8, micro_batch_size: 4}",
    "schedule={steps: 8, warmup: 0.2}",
    "validation={every_epochs: 0.25}",
    "checkpoint.every_steps=100",
    "log.every_steps=1",
    "mixup={prob: 0}",
)


def words(labelled: Path, run: Path, *overrides: str) -> list[str]:
    """The command line of a small run; later words replace earlier ones."""
    data = (
        f"data.dataset.source={labelled}",
        f"data.dataset.labels={labelled}",
        f"data.dataset.split={labelled / 'split.yaml'}",
        "data.dataset.rate=2",
        "data.dataset.sampling={step_seconds: 0.5}",
    )
    return ["demo", *data, f"run={run}", *SMALL, *overrides]


def finetune(*arguments: str | Path, **environment: str) -> Outcome:
    # the same sums as where several processes share the cores
    environment = {"OMP_NUM_THREADS": "1", **environment}
    words = ["-m", "finetune", *map(str, arguments)]
    return outcome_of(start_python(words, environment=environment, umask=UMASK))


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss/train"] for line in log_of(run) if "loss/train" in line]
