"""`python -m finetune attention`: attention maps as images and videos."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from encoder.checkpoint.native_format import save_encoder
from encoder.config import EncoderConfig
from encoder.vit import VideoEncoder
from finetune.cli import main
from tests.conftest import ROOT
from tests.finetune.runs import finetune
from video.readers.probe import probe

TINY = EncoderConfig(
    embed_dim=24, depth=2, num_heads=2, patch_size=16, num_frames=4, image_size=(48, 64)
)
KINDS = {
    "plain": TINY,
    "unpaced": TINY,
    "class": replace(TINY, class_token=True),
    "divided": replace(TINY, attention="divided", class_token=True),
    "grey": replace(TINY, channels=1, mean=(0.5,), std=(0.2,)),
    "image": replace(TINY, num_frames=1, tubelet_size=1),
}
SAMPLING = {"": {"frame_rate": 2.0, "stride": None}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder of each kind."""
    folder = tmp_path_factory.mktemp("encoders")
    for name, config in KINDS.items():
        torch.manual_seed(0)
        weights = VideoEncoder(config).state_dict()
        sampling = 7 if name == "unpaced" else SAMPLING
        save_encoder(folder / f"{name}.safetensors", weights, config, sampling=sampling)
    return folder


def run(*words: str | Path) -> None:
    main(["attention", *map(str, words)])


def error_of(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """The message of wrong arguments: one line, and exit status 2."""
    with pytest.raises(Exception) as raised:
        run(*words)
    assert getattr(raised.value, "exit_status", None) == 2, repr(raised.value)
    assert "\n" not in str(raised.value)
    assert "written" not in capsys.readouterr().out
    return str(raised.value)


def test_the_program_writes_an_image_and_a_video_of_each_recording(
    saved: Path, operations: Path, tmp_path: Path
) -> None:
    done = finetune("attention", saved / "plain.safetensors", operations, "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    lines = [
        line for line in done.stdout.splitlines() if "mean attention" in line or "tokens" in line
    ]
    head, first, second = lines
    assert head.endswith("2x3x4 tokens of 4 frames, 2 frames a second (as in training)")
    assert first.startswith(f"{operations / 'operation01.mp4'}: ") and "operation02" in second
    assert "mean attention of all patches, layer 1 (of 0 to 1), mean of 2 heads; written" in first
    names = {f"operation0{i}_attention.{kind}" for i in (1, 2) for kind in ("png", "mp4")}
    assert {path.name for path in (tmp_path / "new").iterdir()} == names


def test_help_answers_without_heavy_imports() -> None:
    code = "import runpy, sys; sys.argv = ['finetune', 'attention', '--help']\n"
    code += "try: runpy.run_module('finetune', run_name='__main__')\nexcept SystemExit: pass\n"
    code += "print('heavy:', sorted({'torch', 'timm', 'av', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "usage: python -m finetune attention" in done.stdout
    assert "CHECKPOINT VIDEO [VIDEO ...]" in done.stdout and "--rollout" in done.stdout
    assert done.stdout.endswith("heavy: []\n")


def test_the_video_has_the_frame_rate_of_the_clip(
    saved: Path, operations: Path, tmp_path: Path
) -> None:
    video = operations / "operation01.mp4"
    run(saved / "class.safetensors", video, "--at", "1", "--frame-rate", "4", "--out", tmp_path)
    video_file = probe(str(tmp_path / "operation01_attention.mp4"), 1.0)
    assert video_file.fps == pytest.approx(4) and video_file.frames % 4 == 0
    image = np.asarray(Image.open(tmp_path / "operation01_attention.png"))
    assert image.shape[1] >= 2 * 3 * 64  # two tubelets, of frames that are shown three times


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("class", (), "attention of the class token, layer 1 (of 0 to 1), mean of 2 heads"),
        ("class", ("--query", "mean"), "mean attention of all patches, layer 1"),
        ("class", ("--rollout",), "class token, rollout through layers 0 to 1 (of 0 to 1)"),
        ("plain", ("--layer", "-2"), "layer 0 (of 0 to 1)"),
        ("plain", ("--heads", "each"), "each of 2 heads"),
        ("plain", ("--heads", "each", "--style", "classic"), "each of 2 heads"),
        ("plain", ("--style", "classic"), "mean of 2 heads"),
        ("divided", (), "class token"),
        ("image", ("--stride", "3"), "at 0.00 s"),
        ("unpaced", ("--frame-rate", "2"), "2 frames a second (given)"),
    ],
)
def test_every_kind_can_be_drawn(
    saved: Path,
    operations: Path,
    tmp_path: Path,
    capsys,
    kind: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    video = operations / "operation02.mp4"
    run(saved / f"{kind}.safetensors", video, "--at", "0", *options, "--out", tmp_path)
    assert message in capsys.readouterr().out
    image = np.asarray(Image.open(tmp_path / "operation02_attention.png"))
    coloured = (image.max(2).astype(int) - image.min(2) > 40).any(1)
    legend = coloured[-20:].any()
    assert legend == ("classic" not in options)


def test_recordings_of_one_name_do_not_replace_each_other(
    saved: Path, operations: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other/operation01.mp4"
    other.write_bytes((operations / "operation02.mp4").read_bytes())
    words = (saved / "plain.safetensors", operations / "operation01.mp4", other, "--at", "0")
    run(*words, "--out", tmp_path / "out")
    first, second = ((tmp_path / f"out/{n}.png").read_bytes() for n in names("", "_2"))
    assert first != second
    assert re.search(rf"{other}: .*; written: .*01_2_attention", capsys.readouterr().out)
    run(*words, "--out", tmp_path / "out")  # the same call again
    assert capsys.readouterr().out.count("; replaced: ") == 2
    assert (tmp_path / "out/operation01_attention.png").read_bytes() == first


def names(*numbers: str) -> list[str]:
    return [f"operation01{number}_attention" for number in numbers]


def test_bad_input_is_one_line_with_the_cure(
    saved: Path, operations: Path, tmp_path: Path, capsys
) -> None:
    plain, video = saved / "plain.safetensors", operations / "operation01.mp4"
    half = tmp_path / "half.mp4"
    half.write_bytes(video.read_bytes()[:2000])
    text = tmp_path / "text.safetensors"
    text.write_text("no weights")
    file = tmp_path / "file"
    file.write_text("")
    rows = (
        ((plain, video, "--layer", "2"), "layer 2: the encoder has layers 0 to 1"),
        ((plain, video, "--query", "class"), "no class token; use mean"),
        ((saved / "divided.safetensors", video, "--rollout"), "omit it"),
        ((plain, video, "--rollout", "--heads", "each"), "set heads to mean"),
        ((plain, half), "half.mp4"),
        ((plain, tmp_path / "none.mp4"), "no such file or folder"),
        (
            (plain, video, "--frame-rate", "0.1"),
            "give --short-videos clamp or loop, or a higher --frame-rate",
        ),
        ((plain, video, "--at", "5.5"), "give 0 to"),
        ((plain, video, "--recordings", "2"), "give a smaller number"),
        ((text, video), "is a text file"),
        ((tmp_path, video), "a folder without a checkpoint"),
        ((plain, video, "--told", "num_heads=2"), "leave out num_heads=2"),
        ((plain, video, "--told", "head=2"), "nearest: num_heads"),
        (
            (saved / "unpaced.safetensors", video),
            "metadata sampling 7 is invalid; give --frame-rate",
        ),
        ((saved / "grey.safetensors", video), "its input has 1 channels, videos have 3"),
        ((plain, video, "--out", file), "--out .*file: cannot be written"),
    )
    for words, message in rows:
        assert re.search(message, error_of(capsys, *words)), words
