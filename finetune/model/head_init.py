"""Initial weights of a classifier from the rows of a trained one, re-indexed by label space.

VideoMAE V2 (section 4) finetunes from Kinetics-710 to Kinetics-400 in this way."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from encoder.checkpoint.parse import SourceEncoder
from finetune.config import FinetuneConfig
from finetune.label_space.head_rows import HeadRows, read_rows, rows_for
from finetune.label_space.label_space import read_label_space
from finetune.label_space.parse import LabelSpaceError
from finetune.label_space.reindex import reindex_head
from finetune.model.classifier_file import ClassifierMatrix, read_classifier_matrix
from finetune.model.config import HeadInitConfig


def init_head(
    head: nn.Module, config: FinetuneConfig, classes: Sequence[str], source: SourceEncoder | None
) -> list[str]:
    """Sets the rows of the classifier that the recipe takes from a checkpoint.

    `source`: the checkpoint of the backbone; None where its weights are random. Returns lines for
    the startup summary. Raises LabelSpaceError and CheckpointMismatch.
    """
    if not config.head_init.from_file or source is None:
        return [f"head: {config.head.kind}, random weights, {len(classes)} classes"]
    trained, path = read_classifier_matrix(source), source.file.path
    classifier = head.get_submodule(config.head.spec.classifier)
    assert isinstance(classifier, nn.Linear)
    if trained.weight.shape[1] != classifier.in_features:
        raise LabelSpaceError(
            f"{path}: its classifier has {trained.weight.shape[1]} input features, this one has "
            f"{classifier.in_features}; drop head_init"
        )
    rows = _rows(config.head_init, trained, classes, path)
    with torch.no_grad():
        weight, bias = reindex_head(
            trained.weight, trained.bias, rows, classifier.weight, classifier.bias
        )
        classifier.weight.copy_(weight)
        classifier.bias.copy_(bias)
    return rows.lines()


def _rows(
    config: HeadInitConfig, trained: ClassifierMatrix, classes: Sequence[str], path: Path
) -> HeadRows:
    if config.rows is not None:
        return read_rows(config.rows, len(trained.weight), len(classes))
    assert config.label_space is not None
    space = read_label_space(config.label_space)
    names = trained.classes or space.classes
    if len(names) != len(trained.weight):
        raise LabelSpaceError(
            f"{path}: its classifier has {len(trained.weight)} classes, {config.label_space} has "
            f"{len(names)}; give head_init.rows, or the label space that it was trained on"
        )
    return rows_for(space, names, classes, config.dataset, config.allow_fresh)
