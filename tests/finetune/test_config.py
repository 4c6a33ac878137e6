"""Rows that a user adds to the tables of heads, losses, metrics and tuning kinds."""

import json
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
import yaml
from pydantic.dataclasses import dataclass
from torch import nn

from encoder.config import EncoderConfig
from encoder.vit import Features, VideoEncoder
from finetune.cli import RECIPES
from finetune.config import FinetuneConfig, ValidationConfig
from finetune.evaluation.metrics import METRICS, Metric
from finetune.inference.best_checkpoint import (
    ValidationHistory,
    ValidationResult,
    read_validation_history,
)
from finetune.model.classifier import Classifier
from finetune.model.classifier_file import (
    ClassifierMetadata,
    read_classifier_metadata,
    save_classifier,
)
from finetune.model.head_init import init_head
from finetune.model.heads import HEADS, HeadSpec
from finetune.model.losses import LOSSES, LossSpec
from finetune.tuning import TUNINGS, TuningSpec
from launch.config import STRICT
from launch.errors import ConfigError
from launch.plugins import VARIABLE
from launch.recipe import dump_recipe, load_recipe, read_resolved, validate

TINY = EncoderConfig(embed_dim=48, depth=2, num_heads=3, patch_size=8, num_frames=4, image_size=16)


class TubeletModule(nn.Module):
    """Logits of the clip and of each tubelet."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.clip, self.tubelet = nn.Linear(width, classes), nn.Linear(width, classes)

    def forward(self, features: Features, segments: int = 1) -> dict[str, torch.Tensor]:
        tubelets = features.tokens.unflatten(1, (TINY.grid[0], -1)).mean(2)
        return {"logits": self.clip(features.pooled), "tubelet_logits": self.tubelet(tubelets)}


@dataclass(frozen=True, config=STRICT)
class TubeletHead:
    """A head of two outputs."""

    kind: Literal["tubelet"] = "tubelet"
    """The head."""
    spec: ClassVar[HeadSpec] = HeadSpec(
        probes=("linear_probe",), outputs=("logits", "tubelet_logits"), classifier="clip"
    )

    def build(self, encoder: EncoderConfig, classes: int) -> nn.Module:
        return TubeletModule(encoder.embed_dim, classes)


@dataclass(frozen=True, config=STRICT)
class TubeletLoss:
    """Cross-entropy of the clip and of every tubelet."""

    weight: float = 0.5
    """Weight of the tubelets."""
    kind: Literal["tubelet"] = "tubelet"
    """The loss."""
    spec: ClassVar[LossSpec] = LossSpec(
        ("single_label",), soft_targets=False, outputs=("logits", "tubelet_logits")
    )

    def build(self, counts: torch.Tensor):
        def loss(outputs, target: torch.Tensor) -> torch.Tensor:
            tubelets = outputs["tubelet_logits"]
            repeated = target[:, None].expand(-1, tubelets.shape[1]).flatten()
            of_tubelets = nn.functional.cross_entropy(tubelets.flatten(0, 1), repeated)
            of_clips = nn.functional.cross_entropy(outputs["logits"], target)
            return of_clips + self.weight * of_tubelets

        return loss


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS, "tubelet", TubeletHead)
    monkeypatch.setitem(LOSSES, "tubelet", TubeletLoss)


def load(*overrides: str) -> FinetuneConfig:
    return load_recipe(FinetuneConfig, "demo", overrides, RECIPES, run="x")


@pytest.mark.usefixtures("rows")
def test_a_head_of_two_outputs_trains_with_a_loss_that_reads_both(tmp_path: Path) -> None:
    config = load("head={kind: tubelet}", "loss={kind: tubelet, weight: 2}")
    (tmp_path / "config.yaml").write_text(dump_recipe(config))
    assert read_resolved(FinetuneConfig, tmp_path / "config.yaml") == config
    torch.manual_seed(0)
    model = Classifier(VideoEncoder(TINY), config.head.build(TINY, 5))
    clips = torch.randint(0, 256, (2, 4, 16, 16, 3), dtype=torch.uint8)
    outputs = model(clips)
    assert outputs["logits"].shape == (2, 5) and outputs["tubelet_logits"].shape == (2, 2, 5)
    config.loss.build(torch.ones(5))(outputs, torch.tensor([1, 4])).backward()
    assert all(p.grad is not None for p in model.head.parameters())
    lines = init_head(model.head, config, list("abcde"), None)
    assert lines == ["head: tubelet, random weights, 5 classes"]


@pytest.mark.usefixtures("rows")
def test_rows_that_do_not_fit_each_other_are_refused_in_one_line() -> None:
    for overrides, message in (
        (["loss={kind: tubelet}"], "needs tubelet_logits, which head.kind linear does not return"),
        (["loss={kind: tubelet}"], "take head.kind tubelet"),
        (
            ["head={kind: tubelet}", "loss={kind: tubelet}", "mixup.prob=1"],
            "mixup: loss.kind tubelet takes no mixed labels",
        ),
        (["head={kind: tubelet}", "tuning={kind: attentive_probe}"], "take attentive"),
        (["head={kind: i3d}", "tuning={kind: linear_probe}"], "take linear or tubelet"),
        (["head={kind: tubelet, dropout: 0.5}"], "head.dropout: is a key of another kind"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(*overrides)
        assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_optimizer_key_given_alone_keeps_the_other_defaults_of_finetuning() -> None:
    recipe = yaml.safe_load((RECIPES / "demo.yaml").read_text())
    values = {**recipe, "run": "r", "optimizer": {"base_lr": 1e-3}}
    optimizer = validate(FinetuneConfig, values).optimizer
    assert (optimizer.base_lr, optimizer.min_lr, optimizer.betas) == (1e-3, 1e-6, (0.9, 0.999))


@pytest.mark.usefixtures("rows")
def test_a_classifier_with_a_head_of_a_plugin_names_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, head = tmp_path / "classifier.safetensors", TubeletHead()
    monkeypatch.setenv(VARIABLE, "my_heads")
    model = Classifier(VideoEncoder(TINY), head.build(TINY, 3))
    metadata = ClassifierMetadata(("a", "b", "c"), head, False, 1, [], {}, "center", {})
    save_classifier(file, model.state_dict(), TINY, metadata)
    assert read_classifier_metadata(file).head == head
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delitem(HEADS, "tubelet")
    with pytest.raises(ConfigError) as caught:
        read_classifier_metadata(file)
    assert str(caught.value) == f"{file}: needs the plugins my_heads; give --plugins my_heads"


@pytest.mark.usefixtures("rows")
def test_a_head_names_the_classifier_whose_rows_are_set() -> None:
    config = load("head={kind: tubelet}")
    head = config.head.build(TINY, 3)
    assert head.get_submodule(config.head.spec.classifier) is head.clip


def test_a_metric_of_a_user_selects_the_best_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A lower one is better here."""
    with pytest.raises(ConfigError, match=r"validation\.metric: 'error' is refused; known metrics"):
        load("validation.metric=error")

    def error(samples) -> float:
        return float((samples.scores.argmax(1) != samples.label).mean())

    monkeypatch.setitem(METRICS, "error", Metric(error, higher_is_better=False))
    assert load("validation.metric=error").validation.metric == "error"
    history = ValidationHistory(tmp_path, 0, ValidationConfig(metric="error"))
    for step, value in ((1, 0.5), (2, 0.25), (3, 0.75)):
        result = ValidationResult(step, value)
        assert history.is_best(result) == (step < 3)
        history.add(result, writes=False)
    assert history.best == ValidationResult(2, 0.25)


def test_an_undefined_metric_is_never_the_best_step_and_its_line_is_json(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    history = ValidationHistory(tmp_path, 0, ValidationConfig())
    for step, value in ((1, float("nan")), (2, 0.25), (3, float("nan"))):
        result = ValidationResult(step, value)
        assert history.is_best(result) == (step < 3)
        history.add(result, writes=True)
    assert history.best == ValidationResult(2, 0.25)
    for line in (tmp_path / "validation.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    assert [each.step for each in read_validation_history(tmp_path)] == [1, 2, 3]


def test_metrics_that_do_not_fit_the_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"balanced accuracy is not for multi_label labels; take"):
        load(
            "data.dataset.multi_label=true",
            "loss.kind=bce",
            "validation.metric=balanced accuracy",
        )
    with pytest.raises(ConfigError, match=r"'chance' is refused; known metrics are top-1, "):
        load("validation.metric=chance")


def test_a_tuning_kind_of_a_user_classifies_without_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    @dataclass(frozen=True, config=STRICT)
    class Prototypes:
        """Nearest class mean."""

        kind: Literal["prototypes"] = "prototypes"
        """Which part of the network is trained."""
        blocks: ClassVar[int] = 0
        spec: ClassVar[TuningSpec] = TuningSpec(classify=lambda *given: calls.append(given))

    monkeypatch.setitem(TUNINGS, "prototypes", Prototypes)
    tuning = load("tuning={kind: prototypes}").tuning
    assert not tuning.spec.trains
    tuning.spec.classifier(np.ones(1), "session")
    assert calls[0][1] == "session"
