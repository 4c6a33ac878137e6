"""Chains small enough for a test, and the program that runs them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import HANG_LIMIT, ROOT, launcher_free_environment
from tests.pretrain.runs import SMALL


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def pretraining(source: Path, **settings: Any) -> dict[str, Any]:
    """A stage: the small run of the tests of pretraining."""
    small = {key: yaml.safe_load(value) for key, value in (word.split("=", 1) for word in SMALL)}
    return {
        "program": "pretrain",
        "recipe": "demo",
        "set": {**small, "data.source": str(source), **settings},
    }


def two_and_weights(path: Path, source: Path, **settings: Any) -> Path:
    """Two pretrainings, the second from the first, and the weights of the second in one file."""
    stages = {
        "first": pretraining(source, **settings),
        "second": pretraining(source, **settings, init_from="${first}"),
        "third": {
            "program": "launch consolidate",
            "arguments": ["${second}", "${third}/weights.safetensors"],
        },
    }
    chain = {"folder": str(path.with_suffix("")), "processes": 1, "stages": stages}
    return written(path, yaml.safe_dump(chain, sort_keys=False))


def command(chain: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "launch", "progressive", str(chain), *options]


def environment() -> dict[str, str]:
    """One thread a process: others may need the cores, and sums keep their order."""
    return {**launcher_free_environment(), "OMP_NUM_THREADS": "1"}


def run(chain: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(chain, *options),
        cwd=ROOT,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=HANG_LIMIT,
    )


def start(words: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def record_of(folder: Path, stage: str) -> dict[str, Any]:
    return dict(json.loads((folder / "chain.json").read_text())["stages"][stage])


def said(output: str) -> list[str]:
    """What the chain itself said, without its table."""
    lines = [line.removeprefix("chain: ") for line in output.splitlines() if "chain: " in line]
    ends = [number for number, line in enumerate(lines) if line.startswith("stage  ")]
    return lines[: ends[0]] if ends else lines
