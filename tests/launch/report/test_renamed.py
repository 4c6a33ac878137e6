"""Runs of older versions, whose keys and logged values have other names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from finetune.config import FinetuneConfig
from launch.recipe import read_resolved
from launch.report.curves import read_curves
from launch.report.renamed import LOG_NAMES, with_current_keys
from pretrain.config import PretrainConfig
from tests.conftest import ROOT
from tests.launch.report.run_folders import read_run, write_evaluation, write_run


def test_old_and_new_log_names_are_one_curve(tmp_path: Path) -> None:
    """As in the log of a run that was resumed after the names had changed."""
    text = ""
    for i, (old, new) in enumerate(LOG_NAMES.items()):
        lines = [{"step": 1, old: i}, {"step": 2, new: i + 0.5}]
        text += "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "log.jsonl").write_text(text)
    warnings: list[str] = []
    curves = read_curves(tmp_path / "log.jsonl", warnings.append)
    assert list(curves) == list(LOG_NAMES.values()) and warnings == []
    for i, curve in enumerate(curves.values()):
        assert (curve.steps.tolist(), curve.values.tolist()) == ([1, 2], [i, i + 0.5])


def test_old_keys_and_metrics_are_read_by_their_current_names(tmp_path: Path) -> None:
    old = {
        "batch": {"clips": 16, "micro_batch": 8},
        "data": {"set": {"source": "/videos"}, "sets": {"a": {"source": "/a"}}},
        "mode": {"kind": "full", "layer_decay": 0.75},
        "head": {"kind": "linear"},
        "mixing": {"mixup": 0.8},
        "engine": {"lost_seconds": 60},
        "validation": {"metric": "top-1"},
    }
    folder = write_run(tmp_path / "run", old, [{"step": 50, "val/commonest_class": 0.2}])
    write_evaluation(folder, "test", 0.3)
    metrics = folder / "evaluation_test" / "metrics.json"
    metrics.write_text(metrics.read_text().replace("majority class", "commonest class"))
    run = read_run(folder)
    assert run.config == {
        "run": str(folder),
        "batch.global_batch_size": 16,
        "batch.micro_batch_size": 8,
        "data.dataset.source": "/videos",
        "data.datasets.a.source": "/a",
        "tuning.kind": "full",
        "tuning.layer_decay": 0.75,
        "head.kind": "linear",
        "mixup.mixup_alpha": 0.8,
        "engine.heartbeat_timeout": 60,
        "validation.metric": "top-1",
    }
    assert list(run.curves) == ["val/majority_class"]
    assert run.results[0].baselines == {"majority class": 0.23, "chance": 0.1667}


def test_of_an_old_and_a_current_key_the_current_one_counts() -> None:
    config = {"batch.global_batch_size": 8, "batch.clips": 16, "seed": 0}
    assert with_current_keys(config) == {"batch.global_batch_size": 8, "seed": 0}


@pytest.mark.parametrize(
    ("program", "cls"), [("pretrain", PretrainConfig), ("finetune", FinetuneConfig)]
)
def test_the_page_and_the_programs_read_a_former_configuration_alike(
    program: str, cls: type
) -> None:
    file = ROOT / "tests/former_runs" / program / "config.yaml"
    by_page = with_current_keys(dict(flat(yaml.safe_load(file.read_text()))))
    by_program = dict(flat(TypeAdapter(cls).dump_python(read_resolved(cls, file), mode="json")))
    gone = {"head.num_heads"}  # of attentive heads alone
    assert by_page.keys() - by_program.keys() <= gone
    assert {key: by_page[key] for key in by_page.keys() - gone} == {
        key: by_program[key] for key in by_page.keys() - gone
    }


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
