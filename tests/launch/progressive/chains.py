"""Small chains for tests, and the program that runs them."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.conftest import HANG_LIMIT, ROOT, launcher_free_environment
from tests.pretrain.runs import SMALL


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def pretraining(source: Path, **settings: Any) -> dict[str, Any]:
    """A stage: the small run of the tests of `pretrain`."""
    small = {key: yaml.safe_load(value) for key, value in (word.split("=", 1) for word in SMALL)}
    return {
        "program": "pretrain",
        "recipe": "demo",
        "set": {**small, "data.source": str(source), **settings},
    }


def two_pretrainings(path: Path, source: Path, **settings: Any) -> Path:
    """A chain: two pretrainings, the second from the first; then its weights in one file."""
    stages = {
        "first": pretraining(source, **settings),
        "second": pretraining(source, **settings, init_from="${first}"),
        "third": {
            "program": "launch consolidate",
            "arguments": ["${second}", "${third}/weights.safetensors"],
        },
    }
    chain = {"folder": str(path.with_suffix("")), "processes": 1, "stages": stages}
    return write(path, yaml.safe_dump(chain, sort_keys=False))


def command(chain: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "launch", "progressive", str(chain), *options]


def environment() -> dict[str, str]:
    """One thread per process: tests run in parallel, and sums keep their order."""
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


def wait_until_ended(processes: Sequence[psutil.Process]) -> None:
    """Fails if one stays alive; a zombie has ended, and waits for its parent."""
    ends = time.monotonic() + HANG_LIMIT
    while alive := [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < ends, alive
        time.sleep(0.05)


def record_of(folder: Path, stage: str) -> dict[str, Any]:
    return dict(json.loads((folder / "chain.json").read_text())["stages"][stage])


def chain_lines(output: str) -> list[str]:
    """The lines of the chain itself, without its table."""
    lines = [line.removeprefix("chain: ") for line in output.splitlines() if "chain: " in line]
    ends = [number for number, line in enumerate(lines) if line.startswith("stage  ")]
    return lines[: ends[0]] if ends else lines
