"""The worked examples of docs/extending.md, taken out of the page and run."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT, Outcome, outcome_of, start_python
from tests.finetune.conftest import SPLIT
from tests.finetune.runs import words as finetune_words
from tests.markdown import code_blocks
from tests.pretrain.runs import words
from video.synthetic import synthesize

CKPT = ROOT / "tests/encoder/checkpoint/fixtures/ckpt/public_timm_clip_openai.pth"

PAGE = (ROOT / "docs/extending.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*)\n((?:.*\n)*?)(?=^## |\Z)", PAGE, re.M))


def block(section: str, language: str) -> str:
    return next(b.code for b in code_blocks(SECTIONS[section]) if b.language == language)


def module(section: str) -> str:
    return re.sub(r"\W", "_", section.lower())


def command(section: str) -> list[str]:
    """The words of an example's command, after the name of the program."""
    return shlex.split(block(section, "").replace("\\\n", " "))[3:]


def program(section: str) -> str:
    words = shlex.split(block(section, ""))
    return words[words.index("-m") + 1]


# The others are commands on files: they are run below.
CHECKED = [each for each in SECTIONS if each not in ("A label format", "A checkpoint family")]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder with the examples as modules."""
    for section in SECTIONS:
        (tmp_path / f"{module(section)}.py").write_text(block(section, "python"))
    return tmp_path


def run(program: str, folder: Path, *arguments: str, **environment: str) -> Outcome:
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return outcome_of(start_python(["-m", program, *arguments], folder, environment))


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_is_short(section: str) -> None:
    code = re.sub(
        r"^(from|import) .*$|^\s*$|^ *\"\"\".*\"\"\"$", "", block(section, "python"), flags=re.M
    )
    assert len([line for line in code.splitlines() if line]) <= 20


@pytest.mark.parametrize("section", [each for each in SECTIONS if each in CHECKED])
def test_an_example_is_accepted_and_explained(section: str, plugins: Path) -> None:
    done = run(program(section), plugins, *command(section), "--check")
    assert done.returncode == 0, done.stderr


def test_the_examples_of_pretraining_train_together(operations: Path, plugins: Path) -> None:
    given, names = [], []
    for section in SECTIONS:
        if program(section) == "pretrain":
            names.append(module(section))
            given += [word for word in command(section)[3:] if not word.startswith("schedule")]
    given = [word for word in given if not word.startswith("log.")]
    more = ["schedule={kind: linear, steps: 3, warmup: 0}", "checkpoint.every_steps=3"]
    more += ["log={every_steps: 1, images_every_steps: 9, feature_clips: 2, loggers: [csv]}"]
    recipe = words(operations, plugins / "run", *given, *more)
    done = run("pretrain", plugins, *recipe, "--plugins", ",".join(names))
    assert done.returncode == 0, done.stderr
    log = [json.loads(line) for line in (plugins / "run/log.jsonl").read_text().splitlines()]
    assert sum("loss/train" in line for line in log) == 3
    (start,) = json.loads((plugins / "run/environment.json").read_text())
    assert sorted(start["plugins"]) == sorted(names)
    assert len((plugins / "run/metrics.csv").read_text().splitlines()) > 3


def test_the_examples_of_finetuning_train_together(plugins: Path) -> None:
    labelled = plugins / "labelled"
    synthesize(labelled, 4, seconds=12, size=48, seed=0)
    (labelled / "split.yaml").write_text(SPLIT)
    names, given = ["a_head", "a_loss_of_finetuning", "a_metric", "a_kind_of_labelled_set"], []
    for section in ("A head", "A loss of finetuning", "A metric"):
        given += [word for word in command(section)[3:] if not word.startswith("validation")]
    given += [
        "data.dataset.kind=slow_timestamps",
        "validation={every_epochs: 1, metric: mean confidence}",
    ]
    recipe = finetune_words(labelled, plugins / "run", *given, "schedule={steps: 2, warmup: 0}")
    done = run("finetune", plugins, *recipe, "--plugins", ",".join(names))
    assert done.returncode == 0, done.stderr
    assert "mean confidence" in done.stdout and (plugins / "run/classifier.safetensors").exists()


def test_the_example_of_a_label_format_is_read(operations: Path, plugins: Path) -> None:
    labels = plugins / "labels"
    labels.mkdir()
    for name in ("operation01", "operation02"):
        (labels / f"{name}.srt").write_text("1\n0 --> 3\ncut\n\n2\n3 --> 6\nsew\n")
    words = ["labels", str(operations), str(labels), "--plugins", "a_label_format"]
    done = run("finetune", plugins, *words)
    assert done.returncode == 0 and "cut 50%, sew 50%" in done.stdout, done.stderr
    (labels / "operation01.srt").write_text("1\n0 -> 3 --> x\ncut\n")
    assert run("finetune", plugins, *words).returncode == 2


def test_the_example_of_a_checkpoint_family_is_recognised(plugins: Path) -> None:
    image = load_file(CKPT) if CKPT.suffix == ".safetensors" else torch.load(CKPT)
    tensors = {**image, "lab_version": torch.zeros(1)}
    save_file(tensors, plugins / "lab.safetensors")
    before = run("encoder", plugins, "inspect", "lab.safetensors", "num_heads=3")
    assert before.returncode == 2 and "lab_version" in before.stderr
    words = ["inspect", "lab.safetensors", "num_heads=3", "--plugins", "a_checkpoint_family"]
    done = run("encoder", plugins, *words)
    assert done.returncode == 0 and "our lab's video ViT" in done.stdout, done.stderr
    broken = run("encoder", plugins, "inspect", "lab.safetensors", SURGMASK_PLUGINS="absent")
    assert broken.returncode == 2 and "absent: ModuleNotFoundError" in broken.stderr
