"""The worked examples of docs/extending.md, taken out of the page and run."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, launcher_free_environment
from tests.markdown import code_blocks
from tests.pretrain.runs import words

PAGE = (ROOT / "docs/extending.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*)\n((?:.*\n)*?)(?=^## |\Z)", PAGE, re.M))


def block(section: str, language: str) -> str:
    return next(b.code for b in code_blocks(SECTIONS[section]) if b.language == language)


def module(section: str) -> str:
    return re.sub(r"\W", "_", section.lower())


def command(section: str) -> list[str]:
    """The words of an example's command, after the name of the program."""
    return shlex.split(block(section, "").replace("\\\n", " "))[3:]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder with the examples as modules."""
    for section in SECTIONS:
        (tmp_path / f"{module(section)}.py").write_text(block(section, "python"))
    return tmp_path


def run(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=folder,
        env={**launcher_free_environment(), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_is_short(section: str) -> None:
    code = re.sub(
        r"^(from|import) .*$|^\s*$|^ *\"\"\".*\"\"\"$", "", block(section, "python"), flags=re.M
    )
    assert len([line for line in code.splitlines() if line]) <= 20


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_is_accepted_and_explained(section: str, plugins: Path) -> None:
    program = shlex.split(block(section, ""))[2]
    done = run(program, plugins, *command(section), "--check")
    assert done.returncode == 0, done.stderr


def test_the_examples_of_pretraining_train_together(operations: Path, plugins: Path) -> None:
    given, names = [], []
    for section in SECTIONS:
        if shlex.split(block(section, ""))[2] == "pretrain":
            names.append(module(section))
            given += [word for word in command(section)[3:] if not word.startswith("schedule")]
    more = ["schedule={kind: linear, steps: 3, warmup: 0}", "checkpoint.every_steps=3"]
    recipe = words(operations, plugins / "run", *given, *more)
    done = run("pretrain", plugins, *recipe, "--plugins", ",".join(names))
    assert done.returncode == 0, done.stderr
    log = [json.loads(line) for line in (plugins / "run/log.jsonl").read_text().splitlines()]
    assert sum("loss/train" in line for line in log) == 3
    (start,) = json.loads((plugins / "run/environment.json").read_text())
    assert sorted(start["plugins"]) == sorted(names)
