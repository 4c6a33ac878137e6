"""A Python that is too old is told so in one line, before it meets newer syntax."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROGRAMS = ("masking", "video", "encoder", "launch", "pretrain", "finetune")
SETTING = "import sys; sys.version_info = (3, 9, 18, 'final', 0); sys.path.insert(0, '.'); "


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_checks_the_version_first(program: str) -> None:
    docstring, first, *_ = ast.parse((ROOT / program / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(first, ast.Import) and first.names[0].name == "supported_python"
    code = f"{SETTING}import {program}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("Python 3.10 or later is needed, this is 3.9 (")
    assert done.stderr.count("\n") == 1


def older_pythons() -> list[Path]:
    names = ("python2.7", "python3.6", "python3.7", "python3.8", "python3.9")
    found = [Path(path) for name in names if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for old in ("2.", "3.6", "3.9"):
        found += pyenv.glob(f"{old}*/bin/python")
    return found


def test_real_older_pythons_say_so() -> None:
    spoken = []
    for python in older_pythons():
        command = [str(python), "-m", "pretrain", "--help"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if "is needed, this is" not in done.stderr and "pyenv: " in done.stderr:
            continue  # a shim of a version that is not active
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        spoken.append(python)
    if not spoken:
        pytest.skip("no older Python is installed")
