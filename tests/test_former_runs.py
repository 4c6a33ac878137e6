"""Run folders and files that commit 7b7086b wrote, with former names of keys: they stay usable."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.checkpoint.load import load_encoder
from finetune.evaluation.predictions import load_predictions
from finetune.model.classifier_file import load_classifier
from tests.conftest import ROOT, Outcome, outcome_of, start_python

FORMER = Path(__file__).parent / "former_runs"
PRETRAIN = (
    "demo",
    "data.source=recordings",
    "data.exclude=exclude.txt",
    "run=pretrain",
    "encoder={embed_dim: 24, depth: 2, num_heads: 2, patch: 8, tubelet: 2, frames: 4, "
    "image_size: 32, positions: sinusoid, drop_path: 0.1}",
    "decoder={embed_dim: 16, depth: 1, num_heads: 2, positions: sinusoid}",
    "data.workers=0",
    "data.clips_per_read=2",
    "data.inside_view=false",
    "data.sampling={frame_rate: 6.25, short: clamp, avoid: [black], motion: 0.5}",
    "batch={clips: 8, micro_batch: 4}",
    "schedule={steps: 8, warmup: 0.2}",
    "engine={zero_stage: 2, clip_grad_norm: 1.0, recompute: false, stall_seconds: 200, "
    "lost_seconds: 50, max_skipped: 5, timeout_seconds: 900}",
    "checkpoint={every_steps: 4, keep_last: 2, asynchronous: true}",
    "log={every_steps: 1, pictures_every_steps: 100, features_every_steps: 4, feature_clips: 4}",
    "probe={source: recordings, labels: recordings}",
)
FINETUNE = (
    "demo",
    "run=finetune",
    "data.set.source=recordings",
    "data.set.labels=recordings",
    "data.set.split=split.yaml",
    "data.set.rate=2",
    "data.set.targets=one",
    "data.augmentation={area: [0.8, 1.0], erasing: 0.1, flip: false}",
    "data.fitting=centre",
    "data.workers=0",
    "backbone={variant: as_trained, weights: pretrain, mean_pooling: true}",
    "mode={kind: full, layer_decay: 0.75, backbone_lr: 0.5}",
    "mixing={mixup: 0.8, cutmix: 1.0, prob: 1.0}",
    "views={segments: 1, crops: 3, average: scores}",
    "batch={clips: 8, micro_batch: 4}",
    "schedule={steps: 6, warmup: 0.2}",
    "checkpoint={every_steps: 3, keep_last: 2}",
    "log.every_steps=1",
    "validation={every_epochs: 100, metric: top-1}",
    "head_start={allow_fresh: false}",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what the former version left when it was stopped."""
    shutil.copytree(FORMER, tmp_path / "lab")
    manifest = tmp_path / "lab/pretrain/manifest.csv"
    manifest.write_text(manifest.read_text().replace("/data/lab", str(tmp_path / "lab")))
    return tmp_path / "lab"


def run(program: str, folder: Path, *arguments: str) -> Outcome:
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return outcome_of(start_python(["-m", program, *arguments], folder, environment))


def losses(log: Path) -> list[float]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["loss/train"] for line in lines if "loss/train" in line]


@pytest.mark.parametrize(
    ("program", "words", "step"), [("pretrain", PRETRAIN, 4), ("finetune", FINETUNE, 3)]
)
def test_a_former_run_resumes_with_its_command(
    program: str, words: tuple[str, ...], step: int, folder: Path
) -> None:
    done = run(program, folder, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: renamed keys: ") == 1
    assert "batch.clips -> batch.global_batch_size" in done.stderr
    assert f"step-{step:07d}" in done.stdout
    expected = losses(FORMER / program / "log.jsonl")
    # drop path draws other random numbers than that version did
    assert losses(folder / program / "log.jsonl") == pytest.approx(expected, abs=1e-3)


def test_a_former_run_refuses_another_configuration_by_its_present_key(folder: Path) -> None:
    done = run("pretrain", folder, *PRETRAIN, "encoder.frames=8")
    assert done.returncode == 2
    assert "encoder.num_frames was 4, is 8" in done.stderr.splitlines()[-1]


def test_former_files_load(folder: Path) -> None:
    encoder = load_encoder(folder / "pretrain/encoder.safetensors").encoder
    assert (encoder.config.patch_size, encoder.config.num_frames) == (8, 4)
    classifier, metadata = load_classifier(folder / "finetune")
    assert metadata.eval_crop == "center" and metadata.multi_label is False
    clip = torch.zeros(1, 4, 32, 32, 3, dtype=torch.uint8)
    assert classifier(clip)["logits"].shape == (1, len(metadata.classes))
    predictions = load_predictions(folder / "finetune/predictions_test.npz")
    assert len(predictions.classes) == 6 and np.isfinite(predictions.scores).all()


def test_a_report_of_former_runs_has_their_curves(folder: Path) -> None:
    done = run("launch", folder, "report", "pretrain", "finetune", "--out", "page.html")
    assert done.returncode == 0, done.stderr
    assert "surgmask" in (folder / "page.html").read_text()
