"""The loss of a step is the weighted mean over its clips, whatever its micro-batches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.config import EncoderConfig
from finetune.augment.config import ClipAugmentation
from finetune.augment.mixup import mixup
from finetune.config import FinetuneConfig
from finetune.data.batches import pair_rngs
from finetune.data.labelled_set import label_recordings
from finetune.data.samples import LabelledSamples, SampledTrack
from finetune.data.step_weights import open_weighted_batches
from finetune.data.windows import WindowSampling
from finetune.model.losses import build_loss
from launch.distributed.process_group import Processes
from launch.recipe import validate
from tests.conftest import Outcome
from tests.finetune.runs import losses, words
from video.labels.align import LabelTrack
from video.open_source import open_verified

TINY = EncoderConfig(embed_dim=32, depth=1, num_heads=2, num_frames=2, image_size=16)
TWO_STEPS = ("schedule={steps: 2, warmup: 0}", "validation.every_epochs=100")
NOTHING_RANDOM = ("backbone.drop_path=0", "optimizer.base_lr=0.5")


@pytest.fixture(scope="module")
def tracks(operations: Path, tmp_path_factory: pytest.TempPathFactory) -> list[LabelTrack]:
    cache = tmp_path_factory.mktemp("cache")
    recordings = [
        open_verified(str(path), "pyav", 1.0, cache, lambda *_: None)
        for path in sorted(operations.glob("*.mp4"))
    ]
    return label_recordings(recordings, operations, None).tracks["train"]


def samples(tracks: list[LabelTrack], lowest: int) -> LabelledSamples:
    """Samples with values of three classes, from `lowest`; -1 is a missing label."""
    rng = np.random.default_rng(0)
    many = [each._replace(labels=rng.integers(lowest, 2, (len(each.labels), 3))) for each in tracks]
    sampled = [SampledTrack(each, WindowSampling(step_seconds=0.2)) for each in many]
    return LabelledSamples(sampled, TINY, ClipAugmentation())


def multi_label(micro_batch: int, mixed: bool, **loss: object) -> FinetuneConfig:
    dataset = {
        "kind": "timestamps",
        "source": "a",
        "labels": "b",
        "split": "c",
        "rate": 2,
        "multi_label": True,
    }
    values = {
        "run": "run",
        "data": {"dataset": dataset, "workers": 0},
        "batch": {"global_batch_size": 8, "micro_batch_size": micro_batch},
        "loss": {"kind": "bce", **loss},
        "mixup": {"prob": 0.7 if mixed else 0},
        "validation": {"metric": "mAP"},
    }
    return validate(FinetuneConfig, values)


def step_losses(samples: LabelledSamples, config: FinetuneConfig) -> list[float]:
    """The losses of two steps, with logits that are functions of the pixels."""
    built = build_loss(config.loss, samples.counts(3))
    accumulation = 8 // config.batch.micro_batch_size
    batches = open_weighted_batches(config, samples, built, Processes(), range(2), accumulation)
    found = []
    for batch in batches:
        clips, targets = batch.clip.float() / 255, batch.label
        if config.mixup.on:
            rngs = pair_rngs(batch.reads, 1, config.seed)
            clips, targets = mixup(batch.clip, batch.label, config.mixup, 3, 0.0, rngs)
        logits = torch.logit(clips.mean(dim=(1, 2, 3)), eps=1e-3)
        # the oracle is the weighted mean of a micro-batch that is the whole step
        mean_weight = None if accumulation == 1 else batch.mean_weight
        found.append(float(built.of_step({"logits": logits}, targets, mean_weight)))
    return np.reshape(found, (2, accumulation)).mean(1).tolist()


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("weights", ["none", (0.1, 0.3, 2.0)])
def test_labels_of_partly_labelled_samples_count_the_same_in_every_micro_batch(
    tracks: list[LabelTrack], mixed: bool, weights: object
) -> None:
    partly = samples(tracks, -1)
    whole, parts = (
        step_losses(partly, multi_label(size, mixed, weights=weights)) for size in (8, 2)
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_a_loss_of_fully_labelled_samples_without_weights_is_the_plain_mean(
    tracks: list[LabelTrack],
) -> None:
    fully, config = samples(tracks, 0), multi_label(2, mixed=False)
    built = build_loss(config.loss, fully.counts(3))
    for batch in open_weighted_batches(config, fully, built, Processes(), range(2), 4):
        assert batch.mean_weight is None
        outputs = {"logits": torch.linspace(-1, 1, 6).reshape(2, 3)}
        loss = built.of_step(outputs, batch.label, batch.mean_weight)
        assert torch.equal(loss, built.of_micro_batch(outputs, batch.label))


def test_weighted_losses_do_not_depend_on_micro_batches_and_processes(
    labelled: Path, tmp_path: Path, together: Callable[..., list[Outcome]]
) -> None:
    weighted = ("loss={kind: cross_entropy, weights: inverse, smoothing: 0.1}",)
    found = {}
    for processes, micro_batch in ((1, 8), (2, 1)):
        batch = f"batch={{global_batch_size: 8, micro_batch_size: {micro_batch}}}"
        run = tmp_path / str(processes)
        command = words(labelled, run, *TWO_STEPS, *NOTHING_RANDOM, *weighted, batch)
        done = together(["-m", "finetune", *command], processes)
        assert not any(each.returncode for each in done), done[0].stderr
        found[processes] = losses(run)
    assert abs(found[1][0] - found[1][1]) > 1e-3  # it trains
    np.testing.assert_allclose(found[2], found[1], rtol=1e-5)
