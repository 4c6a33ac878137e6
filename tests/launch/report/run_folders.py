"""Run folders as programs write them, for tests to change and damage."""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from launch.report.run_data import RunData, read_runs

PRETRAIN = {
    "data": {"source": "/videos", "exclude": None},
    "seed": 0,
    "decoder": {"embed_dim": 96},
    "target": {"kind": "normalised_pixels", "variance_floor": 4e-4},
    "batch": {"global_batch_size": 16, "micro_batch_size": 8},
    "schedule": {"steps": 600, "epochs": None, "warmup": 0.1},
    "optimizer": {"base_lr": 0.024, "betas": [0.9, 0.95]},
}
FINETUNE = {
    "data": {"dataset": {"source": "/videos", "labels": "/labels", "split": "demo"}},
    "head": {"kind": "linear"},
    "backbone": {"weights": "runs/first"},
    "tuning": {"kind": "full"},
    "validation": {"metric": "top-1"},
    "batch": {"global_batch_size": 16},
    "schedule": {"steps": None, "epochs": 8.0},
}
MANIFEST = "path,reader,fps,frames,seconds,width,height,source"


def curve(step: int, steps: int = 600, learned: float = 0.25) -> dict[str, float]:
    """A logged line of a pretraining that reduces its loss by `learned` in half of its steps."""
    loss = 1 - learned * min(1.0, step / (0.5 * steps))
    return {
        "loss/train": 0.9 * loss,
        "loss/constant_baseline": 0.9,
        "optimizer/lr": 1e-3 * min(step / 60, 1),
        "optimizer/skipped": 0.0,
        "speed/clips_per_second": 64.0,
        "speed/data_wait": 0.02,
    }


def lines_of(steps: Iterable[int], **more: float) -> list[dict[str, Any]]:
    named = {name.replace("__", "/"): value for name, value in more.items()}
    return [{"step": step, **curve(step), **named} for step in steps]


STEPS = range(20, 601, 20)


def start(from_step: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "time": "2026-01-02T03:04:05+0000",
        "from_step": from_step,
        "git_commit": "abc1234",
        "command": ["/code/pretrain/__main__.py", "--local_rank=0", "demo", "data.source=/videos"],
        "python": "3.11.7",
        "packages": {"torch": "2.6.0"},
        "host": "node7",
        "device": "H200",
        "launcher": "deepspeed",
        "processes": 2,
        "slurm_job": "4711",
        **fields,
    }


def write_run(
    folder: Path,
    config: Mapping[str, Any] = PRETRAIN,
    lines: Iterable[Mapping[str, Any]] = (),
    starts: Iterable[Mapping[str, Any]] = (start(),),
    recordings: Iterable[str] = (),
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"run": str(folder), **config}))
    (folder / "environment.json").write_text(json.dumps(list(starts)))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = [MANIFEST, *recordings]
    (folder / "manifest.csv").write_text("".join(f"{row}\n" for row in rows))
    return folder


def write_encoder(folder: Path, step: int) -> None:
    header = json.dumps({"__metadata__": {"step": str(step)}}).encode()
    (folder / "encoder.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def write_image(file: Path, side: int = 8, seed: int = 0) -> None:
    file.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed).integers(256, size=(side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)


def write_evaluation(folder: Path, part: str, top_1: float) -> None:
    (folder / f"evaluation_{part}").mkdir()
    metrics = {
        "about": {"step": 50, "chosen": "by val"},
        "samples": {"top-1": top_1, "mAP": None, "majority class": 0.23, "chance": 0.1667},
        "phases": {
            "strict": {
                "accuracy": {"value": top_1},
                "recordings_first": {"jaccard": {"value": 0.124}},
                "by_recording": {"operation06": {"accuracy": top_1}},
            }
        },
    }
    (folder / f"evaluation_{part}" / "metrics.json").write_text(json.dumps(metrics))
    (folder / f"predictions_{part}.npz").write_bytes(b"")


def read_run(folder: Path) -> RunData:
    return read_runs([folder])[0]
