"""`--help KEY` and the reference are made of the configuration classes alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from finetune.config import FinetuneConfig
from launch.errors import ConfigError
from launch.key_help import key_lines, section_lines, summary
from launch.key_reference import reference_page
from launch.keys import all_keys
from pretrain.config import PretrainConfig

ROOT = Path(__file__).parents[2]


def test_a_key_is_explained_with_type_default_and_former_name() -> None:
    assert key_lines(PretrainConfig, "engine.hang_timeout") == [
        "engine.hang_timeout",
        "  Seconds without progress after which every rank's stack is printed.",
        "  type: integer, above 0",
        "  default: 300",
        "  former name: stall_seconds",
        "  may change when a run resumes",
    ]


def test_a_former_name_is_explained_by_the_present_one() -> None:
    lines = key_lines(PretrainConfig, "batch.clips")
    assert lines[:3] == [
        "batch.clips is a former name of batch.global_batch_size",
        "",
        "batch.global_batch_size",
    ]
    assert key_lines(FinetuneConfig, "mode")[0] == "mode is a former name of tuning"


def test_entries_of_mappings_and_lists_have_the_help_of_all() -> None:
    assert key_lines(PretrainConfig, "data.sources.hospital_a.weight") == key_lines(
        PretrainConfig, "data.sources.NAME.weight"
    )
    assert key_lines(PretrainConfig, "log.loggers[0].project")[0].startswith(
        "log.loggers[].project"
    )


def test_bounds_of_an_optional_number_are_shown() -> None:
    assert "  type: number or null, above 0" in key_lines(PretrainConfig, "engine.clip_grad_norm")


def test_choices_and_kinds_are_listed() -> None:
    assert "  type: auto | bf16 | fp16 | fp32" in key_lines(PretrainConfig, "engine.precision")
    lines = key_lines(PretrainConfig, "masking.encoder")
    assert "masking.encoder.kind (kind: running_cell)" in lines
    assert "masking.encoder.random_phase (kind: running_cell)" in lines


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no such key; did you mean engine\.precision\?"):
        key_lines(PretrainConfig, "engine.precisoin")


@pytest.mark.parametrize("cls", [PretrainConfig, FinetuneConfig])
def test_every_key_has_a_meaning(cls: type) -> None:
    without = [key.path for key in all_keys(cls) if not summary(key)]
    assert without == []
    assert all(len(line.split(None, 1)) == 2 for line in section_lines(cls))


def test_the_reference_in_the_documents_is_current() -> None:
    programs = {"pretrain": PretrainConfig, "finetune": FinetuneConfig}
    written = (ROOT / "docs/config-reference.md").read_text()
    assert written == reference_page(programs), "run `make docs`"


@pytest.mark.parametrize("program", ["pretrain", "finetune"])
def test_help_lists_sections(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "\n  optimizer  " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110
