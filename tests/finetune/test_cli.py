"""The commands of `python -m finetune`: each is a row of one table."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from encoder.checkpoint.native_format import save_encoder
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from finetune.cli import main
from finetune.cli_args import COMMANDS, command_parser
from finetune.evaluation.predictions import PredictionsError
from finetune.model.classifier_file import load_classifier
from tests.conftest import ROOT
from tests.finetune import runs
from tests.finetune.model.test_backbone import VIDEOMAE
from video.labels.csv_rows import parse_seconds
from video.labels.segments import LabelError


def test_the_help_lists_every_command(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert stopped.value.code == 0
    for name, command in COMMANDS.items():
        (line,) = [line for line in lines if line.startswith(f"  python -m finetune {name} ")]
        assert line.endswith(command.summary) and len(line) <= 105


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_help_and_a_function(name: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: python -m finetune {name}" in capsys.readouterr().out
    module, function = COMMANDS[name].function.split(":")
    assert callable(getattr(import_module(module), function))


def test_the_parser_of_commands_imports_nothing_heavy() -> None:
    code = "import sys, finetune.cli; print({'torch', 'av', 'timm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_check_compares_the_weights_with_the_backbone(tmp_path: Path, capsys) -> None:
    backbone = f"weights: {VIDEOMAE}, overrides: {{num_heads: 3, num_frames: 4, image_size: 32}}"
    start = [*runs.words(tmp_path, tmp_path / "run"), "--check"]
    with pytest.raises(CheckpointMismatch, match=r"no variant has that size; backbone\.variant=n"):
        main([*start, f"backbone={{variant: unified_base, {backbone}}}"])
    main([*start, f"backbone={{variant: native, {backbone}}}"])
    assert capsys.readouterr().out == "demo: valid\n"


def test_files_and_options_may_stand_in_any_order(tmp_path: Path) -> None:
    for words in (["a.npz", "--out", "x", "b.npz"], ["--out", "x", "a.npz", "b.npz"]):
        options = command_parser("evaluate").parse_intermixed_args(words)
        assert [str(path) for path in options.predictions] == ["a.npz", "b.npz"]
        with pytest.raises(PredictionsError, match="cannot be read as predictions"):
            main(["evaluate", *(str(tmp_path / word) if "." in word else word for word in words)])


def test_a_folder_or_a_run_of_another_kind_names_what_to_give(tmp_path: Path) -> None:
    config = EncoderConfig(embed_dim=24, depth=1, num_heads=2, size="custom")
    encoder = tmp_path / "encoder.safetensors"
    save_encoder(encoder, VideoEncoder(config).state_dict(), config)
    with pytest.raises(CheckpointMismatch, match="is a pretraining run; give a finetuning run"):
        load_classifier(tmp_path)
    with pytest.raises(CheckpointMismatch, match="is an encoder without classifier; give a fine"):
        load_classifier(encoder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointMismatch, match=r"has no classifier\.safetensors; give a finet"):
        load_classifier(tmp_path / "empty")
    with pytest.raises(PredictionsError, match="is a folder without predictions; give a file"):
        main(["evaluate", str(tmp_path)])
    (tmp_path / "predictions_test.npz").touch()
    with pytest.raises(PredictionsError, match=r"is a folder; give .*/predictions_test\.npz$"):
        main(["evaluate", str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "cure"),
    [("00:01:15.5", "write 75.5"), ("1:15", "write 75"), ("soon", "write a number, such as 75.5")],
)
def test_a_time_of_another_form_shows_the_form_that_is_read(text: str, cure: str) -> None:
    with pytest.raises(LabelError, match=rf"a\.csv:2: '.*' is not a time in seconds; {cure}$"):
        parse_seconds("a.csv:2", text)
