"""Commands that moved or were renamed answer with one line that names the present one."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("launch", "plan", "base"), "launch: plan moved: python -m pretrain plan\n"),
        (("encoder", "attention", "x"), "encoder: attention moved: python -m finetune attention\n"),
        (
            ("pretrain", "completion", "x"),
            "pretrain: completion was renamed: python -m pretrain reconstruct\n",
        ),
    ],
)
def test_a_former_command_names_the_present_one(words: tuple[str, ...], answer: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (2, answer, "")
