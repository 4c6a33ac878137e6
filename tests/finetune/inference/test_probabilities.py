"""From outputs to predictions: averaged views, names, times, and unreadable samples."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.config import TestViewsConfig, ValidationConfig
from finetune.data.clip_sampling import ClipSampling
from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from finetune.evaluation.evaluate import evaluate, evaluation_lines
from finetune.inference.best_checkpoint import validation_steps
from finetune.inference.predictor import ModelOutputs, recording_names
from finetune.inference.probabilities import build_predictions, view_averager
from video.labels.align import LabelTrack
from video.recording import Recording

LOGITS = torch.tensor([[[2.0, 0.0, -1.0], [0.0, 3.0, 0.0]]])  # one sample, two views


def sampled(path: str, labels: list[int], clips: bool = False) -> SampledTrack:
    recording = Recording(path, "pyav", 25.0, 250, 10.0, 64, 64, 0.0)
    times = np.arange(len(labels), dtype=float)
    until = times + 1 if clips else None
    track = LabelTrack(recording, times, np.array(labels), 0, 0, until)
    return SampledTrack(track, ClipSampling() if clips else WindowSampling())


def outputs(values: np.ndarray, readable: list[bool], of: list[int]) -> ModelOutputs:
    number = np.array([of[:i].count(of[i]) for i in range(len(of))])
    return ModelOutputs(values.astype(np.float32), np.array(readable), np.array(of), number, ())


def test_views_are_averaged_as_probabilities_or_as_logits() -> None:
    shares = view_averager(TestViewsConfig(clips=2), multi_label=False)(LOGITS)
    torch.testing.assert_close(shares, LOGITS.softmax(-1).mean(1))
    scores = view_averager(TestViewsConfig(clips=2, average="logits"), multi_label=False)(LOGITS)
    torch.testing.assert_close(scores, LOGITS.mean(1).softmax(-1))
    many = view_averager(TestViewsConfig(), multi_label=True)(LOGITS)
    torch.testing.assert_close(many, LOGITS.sigmoid().mean(1))


def test_unreadable_samples_have_equal_scores_and_are_counted() -> None:
    parts = [sampled("/a/one.mp4", [0, 1]), sampled("/a/two.mp4", [1, -1])]
    values = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.5, 0.5]])
    found = outputs(values, [True, False, True, True], [0, 0, 1, 1])
    predictions = build_predictions(found, parts, ("x", "y"), False, {"part": "test"})
    assert predictions.scores[1].tolist() == [0.5, 0.5] and predictions.metadata["unreadable"] == 1
    assert predictions.recording.tolist() == ["one", "one", "two", "two"]
    assert predictions.time.tolist() == [0, 1, 0, 1] and predictions.label.tolist() == [0, 1, 1, -1]
    lines = list(evaluation_lines(evaluate(predictions, "p"), "p"))
    assert "  unreadable: 1, with the same score for all classes" in lines
    metrics = evaluate(predictions, "p").metrics.all
    assert metrics["top-1"] == pytest.approx(2 / 3)
    assert metrics["phase accuracy"] == pytest.approx((0.5 + 1) / 2)


def test_clips_have_no_phases() -> None:
    parts = [sampled("/a/one.mp4", [0, 1], clips=True), sampled("/a/two.mp4", [1], clips=True)]
    found = outputs(np.eye(3, 2), [True] * 3, [0, 0, 1])
    predictions = build_predictions(found, parts, ("x", "y"), False, {})
    assert predictions.metadata["samples"] == "clips"
    assert np.isnan(predictions.time[2]) and predictions.time[:2].tolist() == [0, 1]
    metrics = evaluate(predictions, "p").metrics.all
    assert "phase accuracy" not in metrics and "balanced accuracy" in metrics


def test_names_are_short_where_that_tells_recordings_apart() -> None:
    parts = [sampled(path, [0]) for path in ("/a/x.mp4", "/b/x.mp4", "/a/y.mp4")]
    assert recording_names(parts) == ["/a/x.mp4", "/b/x.mp4", "y"]
    assert recording_names([parts[2], parts[2]]) == ["y", "y"]


@pytest.mark.parametrize(
    ("every", "steps", "per_epoch", "expected"),
    [
        (1.0, 10, 4.0, {4, 8, 10}),
        (0.5, 6, 3.0, {2, 3, 4, 6}),
        (100.0, 7, 3.0, {7}),
        (0.01, 4, 3.0, {1, 2, 3, 4}),
        (1.0, 9, 2.5, {2, 5, 8, 9}),
    ],
)
def test_steps_of_validation(every: float, steps: int, per_epoch: float, expected: set) -> None:
    config = ValidationConfig(every_epochs=every)
    assert validation_steps(config, steps, per_epoch) == expected


def test_validation_results_count_only_with_the_weights_that_they_selected(
    finished: Path, tmp_path: Path
) -> None:
    from finetune.inference.best_checkpoint import ValidationHistory, read_validation_history

    results = read_validation_history(finished)
    history = ValidationHistory(finished, 100, ValidationConfig())
    assert history.has(results[-1].step)
    assert history.best.value == max(each.value for each in results)
    (tmp_path / "validation.jsonl").write_text((finished / "validation.jsonl").read_text())
    assert ValidationHistory(tmp_path, 100, ValidationConfig()).best is None


def test_damaged_validation_results_are_kept_and_the_best_one_is_known(
    finished: Path, tmp_path: Path
) -> None:
    from finetune.inference.best_checkpoint import ValidationHistory, ValidationResult

    shutil.copyfile(finished / "classifier.safetensors", tmp_path / "classifier.safetensors")
    best = ValidationHistory(finished, 100, ValidationConfig()).best
    lines = [b"\xff\xfe", b'{"step": 1, "to', b'{"top-1": 0.5}', b'{"step": 999, "top-1": 0.5}']
    (tmp_path / "validation.jsonl").write_bytes(b"\n".join(lines))
    history = ValidationHistory(tmp_path, 100, ValidationConfig())
    assert history.best == best
    history.add(ValidationResult(100, 0.0), writes=True)
    removed = (tmp_path / "validation_removed.jsonl").read_bytes()
    assert removed == b"\n".join(lines) + b"\n"
    assert ValidationHistory(tmp_path, 100, ValidationConfig()).best == best
