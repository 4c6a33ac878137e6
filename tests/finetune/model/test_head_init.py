"""Initial rows of a classifier from a trained one, in our files and in published layouts."""

import json
from pathlib import Path

import pytest
import torch

from encoder.checkpoint.parse import read_source
from encoder.checkpoint.safe_open import CheckpointMismatch
from finetune.cli import RECIPES
from finetune.config import FinetuneConfig
from finetune.label_space.cli import merge_files
from finetune.label_space.parse import LabelSpaceError
from finetune.model.build import build_backbone
from finetune.model.classifier_file import read_classifier_matrix
from finetune.model.head_init import init_head
from launch.recipe import load_recipe

CKPT = Path(__file__).parents[2] / "encoder/checkpoint/fixtures/ckpt"
FINETUNED = CKPT / "public_videomaev2_distilled.pth"
OVERRIDES = "{num_heads: 3, num_frames: 4, image_size: 32}"


def config_of(*overrides: str, weights: Path = FINETUNED) -> FinetuneConfig:
    backbone = f"backbone={{variant: native, weights: {weights}, overrides: {OVERRIDES}}}"
    return load_recipe(FinetuneConfig, "demo", [backbone, *overrides], RECIPES, run="x")


def initialised(config: FinetuneConfig, classes: list[str]) -> tuple[torch.nn.Linear, list[str]]:
    torch.manual_seed(0)
    backbone = build_backbone(config.backbone)
    head = config.head.build(backbone.encoder.config, len(classes))
    lines = init_head(head, config, classes, backbone.source)
    return head.classifier, lines


def test_rows_of_a_published_head_are_taken(tmp_path: Path) -> None:
    whole = read_classifier_matrix(read_source(FINETUNED, config_of().backbone.overrides))
    assert whole.weight.shape[0] == len(whole.bias) and whole.classes is None
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([2, 0]))
    head, lines = initialised(config_of(f"head_init.rows={rows}"), ["a", "b"])
    assert torch.equal(head.weight, whole.weight[[2, 0]])
    assert torch.equal(head.bias, whole.bias[[2, 0]])
    assert lines[0] == f"head: 2 of 2 classes have one of the {len(whole.weight)} trained rows"


def test_rows_by_name_of_a_merged_space(tmp_path: Path) -> None:
    whole = read_classifier_matrix(read_source(FINETUNED, config_of().backbone.overrides))
    count = len(whole.weight)
    names = [f"class {chr(97 + i)}" for i in range(count)]
    (tmp_path / "one.txt").write_text("\n".join(names[:2]))
    (tmp_path / "two.txt").write_text("\n".join(["ClassA", *names[2:]]))
    space = tmp_path / "space.yaml"
    merge_files(space, {"one": tmp_path / "one.txt", "two": tmp_path / "two.txt"})
    target = ["class c", "class a"]
    head, _ = initialised(config_of(f"head_init.label_space={space}"), target)
    assert torch.equal(head.weight, whole.weight[[2, 0]])
    with pytest.raises(LabelSpaceError, match=r"'unheard'.*allow_fresh"):
        initialised(config_of(f"head_init.label_space={space}"), ["class a", "unheard"])
    start = f"head_init={{label_space: {space}, allow_fresh: true}}"
    head, lines = initialised(config_of(start), ["class a", "unheard"])
    assert torch.equal(head.weight[0], whole.weight[0]) and "head: random rows: unheard" in lines
    assert head.weight[1].abs().max() < whole.weight[0].abs().max()


def test_a_file_without_a_classifier_is_refused(tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text("[0, 1]")
    pretrained = CKPT / "public_videomae_k400_pretrain.pth"
    with pytest.raises(CheckpointMismatch, match="has no classifier"):
        initialised(config_of(f"head_init.rows={rows}", weights=pretrained), ["a", "b"])


@pytest.mark.parametrize("shape", [(1,), (3, 1), ()])
def test_a_classifier_whose_matrix_and_bias_do_not_fit_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    held = torch.load(FINETUNED, weights_only=True)
    held["module"]["head.bias"] = torch.zeros(shape)
    torch.save(held, tmp_path / "odd.pth")
    (tmp_path / "rows.json").write_text("[0, 1]")
    config = config_of(f"head_init.rows={tmp_path / 'rows.json'}", weights=tmp_path / "odd.pth")
    with pytest.raises(CheckpointMismatch, match=r"odd\.pth: .*not a matrix of classes and"):
        initialised(config, ["a", "b"])


def test_without_head_init_the_classifier_is_random() -> None:
    head, lines = initialised(config_of(), ["a", "b", "c"])
    assert lines == ["head: linear, random weights, 3 classes"]
    assert head.weight.abs().max() < 1e-3 and not head.bias.any()
