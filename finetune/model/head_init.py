"""The head's first weights as rows of a trained one: re-indexing from one label space to another.

As upstream's finetuning goes from Kinetics-710 to Kinetics-400 (VideoMAE V2, section 4)."""

from collections.abc import Sequence
from pathlib import Path

import torch

from encoder.checkpoint.parse import SourceEncoder
from finetune.config import FinetuneConfig
from finetune.label_space.head_rows import HeadRows, read_rows, rows_for
from finetune.label_space.label_space import read_label_space
from finetune.label_space.parse import LabelSpaceError
from finetune.label_space.reindex import reindex_head
from finetune.model.classifier_file import ClassifierMatrix, read_classifier_matrix
from finetune.model.config import HeadInitConfig
from finetune.model.heads import PooledHead


def init_head(
    head: PooledHead, config: FinetuneConfig, classes: Sequence[str], file: SourceEncoder | None
) -> list[str]:
    """Sets the classifier's rows where the recipe takes them from a file; returns what was done.

    `file`: the backbone's, None where that is fresh. Raises SpaceError and CheckpointMismatch.
    """
    start = config.head_init
    if not start.from_file or file is None:
        return [f"head: {config.head.kind}, fresh, for {len(classes)} classes"]
    found, source = read_classifier_matrix(file), file.file.path
    fresh = head.classifier
    if found.weight.shape[1] != fresh.weight.shape[1]:
        raise LabelSpaceError(
            f"{source}: its head reads {found.weight.shape[1]} features, this one "
            f"{fresh.weight.shape[1]}; drop head_init"
        )
    rows = _rows(start, found, classes, source)
    with torch.no_grad():
        weight, bias = reindex_head(found.weight, found.bias, rows, fresh.weight, fresh.bias)
        fresh.weight.copy_(weight)
        fresh.bias.copy_(bias)
    return rows.lines()


def _rows(
    start: HeadInitConfig, found: ClassifierMatrix, classes: Sequence[str], source: Path
) -> HeadRows:
    if start.rows is not None:
        return read_rows(start.rows, len(found.weight), len(classes))
    assert start.label_space is not None
    space = read_label_space(start.label_space)
    trained = found.classes or space.classes
    if len(trained) != len(found.weight):
        raise LabelSpaceError(
            f"{source}: its head has {len(found.weight)} classes, "
            f"{start.label_space} has {len(trained)}; give head_init.rows, or the label space that "
            "it was trained on"
        )
    return rows_for(space, trained, classes, start.dataset, start.allow_fresh)
