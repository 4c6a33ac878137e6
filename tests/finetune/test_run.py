"""A finetuning run: its files, and exact resumption."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from encoder.checkpoint.load import load_encoder
from finetune.evaluation.predictions import load_predictions
from finetune.model.classifier_file import load_classifier, read_classifier_metadata
from tests.conftest import (
    HANG_LIMIT,
    kill_all,
    modes_against_umask,
    start_together,
    wait_until,
)
from tests.finetune.runs import finetune, log_of, losses, words


def test_a_run_writes_classifier_predictions_and_evaluation(finished: Path) -> None:
    output = (finished / "output.txt").read_text()
    assert "the best by val top-1" in output and "test: top-1" in output
    assert "(baselines: majority class" in output
    predictions = load_predictions(finished / "predictions_test.npz")
    assert len(predictions.recording) == 24 and set(predictions.recording) == {"operation04"}
    assert (
        predictions.metadata["part"] == "test" and predictions.metadata["samples"] == "timestamps"
    )
    np.testing.assert_allclose(predictions.scores.sum(1), 1, atol=1e-5)
    for name in ("metrics.json", "confusion.png", "timeline_operation04.png"):
        assert (finished / "evaluation_test" / name).is_file()
    model, metadata = load_classifier(finished)
    assert metadata.classes == predictions.classes and not metadata.multi_label
    trained_on = [Path(each["path"]).stem for each in metadata.recordings]
    assert trained_on == ["operation01", "operation02"]
    again, _ = load_encoder(finished)  # as from any other checkpoint
    clip = torch.zeros(1, 4, 32, 32, 3, dtype=torch.uint8)
    torch.testing.assert_close(again.eval()(clip).pooled, model.encoder(clip).pooled)


def test_all_files_of_a_run_follow_the_umask(finished: Path) -> None:
    wrong = modes_against_umask(finished)
    assert wrong.keys() <= {"output.txt"}, wrong  # the fixture's own file


def test_the_classifier_is_that_of_the_best_step_by_val(finished: Path) -> None:
    history = {
        line["step"]: line["top-1"]
        for line in map(json.loads, (finished / "validation.jsonl").read_text().splitlines())
    }
    assert list(history) == [2, 3, 4, 6, 8] or 8 in history
    best = max(history.values())
    first_best = next(step for step, value in history.items() if value == best)
    metadata = read_classifier_metadata(finished / "classifier.safetensors")
    assert (metadata.step, metadata.validation["value"]) == (first_best, best)
    predictions = load_predictions(finished / "predictions_val.npz")
    correct = predictions.scores.argmax(1) == predictions.label
    assert correct.mean() == pytest.approx(best)


def test_more_epochs_evaluate_test_again_which_is_counted_and_told(
    labelled: Path, finished: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    first = (run / "predictions_test.npz").read_bytes()
    results = map(json.loads, (run / "validation.jsonl").read_text().splitlines())
    worse = (json.dumps({**each, "top-1": -1.0}) + "\n" for each in results)
    (run / "validation.jsonl").write_text("".join(worse))  # so that a later step is the best
    done = finetune(*words(labelled, run, "schedule.steps=10"))
    assert done.returncode == 0, done.stderr
    assert "warning: this run has evaluated test already" in done.stdout
    assert f"are kept as {run}/predictions_test_1.npz" in done.stdout
    assert "report the first result, or all of them" in done.stdout
    assert (run / "predictions_test_1.npz").read_bytes() == first
    assert load_predictions(run / "predictions_test.npz").metadata["evaluations"] == 2
    metrics = json.loads((run / "evaluation_test/metrics.json").read_text())
    assert metrics["about"]["evaluations"] == 2


@pytest.mark.soak
def test_the_loss_falls(labelled: Path, tmp_path: Path) -> None:
    more = (
        "schedule={steps: 80, warmup: 0.1}",
        "optimizer.base_lr=0.1",
        "loss.smoothing=0",
        "data.augmentation.scale=[0.8, 1]",
    )
    done = finetune(*words(labelled, tmp_path / "run", *more, "validation.every_epochs=100"))
    assert done.returncode == 0, done.stderr
    found = losses(tmp_path / "run")
    assert np.mean(found[-5:]) < 0.9 * np.mean(found[:5])


@pytest.mark.parametrize("mixed", [pytest.param(False, marks=pytest.mark.soak), True])
def test_a_killed_run_resumes_exactly(labelled: Path, tmp_path: Path, mixed: bool) -> None:
    """Including dropout, drop path, augmentation and mixup; missed validations are made up for."""
    more = [
        "schedule.steps=12",
        "head.dropout=0.3",
        "backbone.drop_path=0.2",
        "validation.every_epochs=0.5",
    ]
    if mixed:
        more += [
            "mixup={prob: 1.0}",
            "data.clips_per_read=2",
            "data.augmentation.random_erasing=0.5",
        ]
    whole = finetune(*words(labelled, tmp_path / "whole", *more))
    assert whole.returncode == 0, whole.stderr
    run = tmp_path / "killed"
    command = words(labelled, run, *more)
    started = start_together(["-m", "finetune", *command], 1)
    wait_until(lambda: any(run.glob("checkpoints/step-*[0-9]")), *started)
    started[0].send_signal(signal.SIGKILL)
    kill_all(started)
    assert len(losses(run)) < 12
    again = finetune(*command)
    assert again.returncode == 0, again.stderr
    assert "resume: weights, optimizer state," in again.stdout
    assert losses(run) == losses(tmp_path / "whole")
    history, expected = ((r / "validation.jsonl").read_text() for r in (run, tmp_path / "whole"))
    assert history == expected
    ours, theirs = (load_file(r / "classifier.safetensors") for r in (run, tmp_path / "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.soak
def test_a_run_that_a_signal_stopped_resumes(labelled: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = words(labelled, run, "schedule.steps=5000", "validation.every_epochs=1000")
    started = start_together(["-m", "finetune", *command], 1)
    wait_until(lambda: (run / "log.jsonl").is_file() and len(log_of(run)) >= 3, *started)
    started[0].send_signal(signal.SIGTERM)
    _, errors = started[0].communicate(timeout=HANG_LIMIT)
    assert started[0].returncode == 75 and "which is saved" in errors
    done = int(errors.rpartition("after step ")[2].split(",")[0])
    again = finetune(*words(labelled, run, f"schedule.steps={done + 1}"))
    assert again.returncode == 0, again.stderr
    assert log_of(run)[-1]["step"] == done + 1


@pytest.mark.soak
def test_the_same_numbers_on_two_processes(labelled: Path, tmp_path: Path, together) -> None:
    """Including mixup, whose pairs follow the global order, and predictions."""
    more = (
        "mixup={prob: 1.0}",
        "schedule.steps=4",
        "backbone.drop_path=0",
        "head.dropout=0",
        "batch={global_batch_size: 8, micro_batch_size: 2}",
    )
    one = finetune(*words(labelled, tmp_path / "one", *more))
    assert one.returncode == 0, one.stderr
    outcomes = together(["-m", "finetune", *words(labelled, tmp_path / "two", *more)], 2)
    assert [each.returncode for each in outcomes] == [0, 0], outcomes[0].stderr
    np.testing.assert_allclose(losses(tmp_path / "one"), losses(tmp_path / "two"), rtol=1e-5)
    first, second = (
        load_predictions(tmp_path / name / "predictions_test.npz") for name in ("one", "two")
    )
    assert first.recording.tolist() == second.recording.tolist()
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-4)


@pytest.mark.soak
def test_zero_3_validates_and_tests(labelled: Path, tmp_path: Path, together) -> None:
    run = tmp_path / "run"
    command = words(labelled, run, "engine.zero_stage=3", "schedule.steps=3", "data.workers=1")
    outcomes = together(["-m", "finetune", *command], 2)
    assert [each.returncode for each in outcomes] == [0, 0], outcomes[0].stderr
    assert load_predictions(run / "predictions_test.npz").metadata["step"] >= 1


@pytest.mark.soak
@pytest.mark.parametrize("tuning", ["linear_probe", "attentive_probe"])
def test_a_probe_does_not_change_the_encoder(
    labelled: Path, finished: Path, tmp_path: Path, tuning: str
) -> None:
    """Also after resumption, though checkpoints lack frozen weights and the file is gone."""
    weights = tmp_path / "weights.safetensors"
    shutil.copy(finished / "classifier.safetensors", weights)
    head = "linear" if tuning == "linear_probe" else "attentive"
    backbone = f"backbone={{variant: native, weights: {weights}, drop_path: 0.5}}"
    more = [
        backbone,
        f"tuning={{kind: {tuning}}}",
        f"head.kind={head}",
        "schedule.steps=4",
        "optimizer.base_lr=0.1",
        "checkpoint.every_steps=2",
    ]
    split = labelled / "probe.yaml"
    split.write_text("train: [operation01, operation02]\ntest: [operation03]\n")
    command = words(labelled, tmp_path / "run", *more, f"data.dataset.split={split}")
    done = finetune(*command)
    assert done.returncode == 0, done.stderr
    assert "validation: none, the split has no val" in done.stdout
    before, after = load_file(weights), load_file(tmp_path / "run/classifier.safetensors")
    encoder = [name for name in before if name.startswith("encoder.")]
    assert encoder and all(torch.equal(before[name], after[name]) for name in encoder)
    whole = losses(tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/step-0000004")
    weights.unlink()
    again = finetune(*command)
    assert again.returncode == 0, again.stderr
    assert "2 steps left" in again.stdout and losses(tmp_path / "run") == whole
    again = load_file(tmp_path / "run/classifier.safetensors")
    assert all(torch.equal(after[name], again[name]) for name in after)


@pytest.mark.soak
@pytest.mark.parametrize(("stage", "precision", "processes"), [(2, "bf16", 1), (3, "bf16", 2)])
def test_frozen_weights_are_written_unchanged(
    labelled: Path,
    finished: Path,
    tmp_path: Path,
    together,
    stage: int,
    precision: str,
    processes: int,
) -> None:
    """Though the engine shards or rounds them."""
    backbone = f"backbone={{variant: native, weights: {finished}}}"
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation01, operation02]\nval: [operation03]\n")
    command = words(
        labelled,
        tmp_path / "run",
        backbone,
        "tuning={kind: linear_probe}",
        "schedule.steps=2",
        f"engine={{zero_stage: {stage}, precision: {precision}}}",
        f"data.dataset.split={split}",
    )
    for outcome in together(["-m", "finetune", *command], processes):
        assert outcome.returncode == 0, outcome.stderr
    before, after = (
        load_file(run / "classifier.safetensors") for run in (finished, tmp_path / "run")
    )
    assert all(torch.equal(before[name], after[name]) for name in before if name[:8] == "encoder.")


def test_knn_refuses_test_recordings_of_the_pretraining(
    labelled: Path, finished: Path, tmp_path: Path
) -> None:
    split = tmp_path / "split.yaml"
    split.write_text("train: [operation03]\ntest: [operation02]\n")
    backbone = f"backbone={{variant: native, weights: {finished}}}"
    command = words(labelled, tmp_path / "run", backbone, f"data.dataset.split={split}")
    done = finetune(*command, "tuning={kind: knn}")
    assert done.returncode == 2
    assert "operation02.mp4 is in test, and the encoder was pretrained on it" in done.stderr
