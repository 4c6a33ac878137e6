"""The tests that are marked gpu."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.gpu.figure import Figure, Setting, at_least, at_most
from benchmarks.gpu.machine import ROOT

MARK = "pytest.mark.gpu"
NEEDED = ("pytest", "beartype", "hypothesis")


def run_marked_tests(setting: Setting) -> Iterator[Figure]:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        yield Figure("not run", f"{missing[0]} is missing; pip install -r requirements-dev.txt")
        return
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if MARK in path.read_text()]
    names = sorted(str(path.relative_to(ROOT)) for path in files)
    if setting.is_dry:
        names = names[-1:]
    options = [
        "-m",
        "gpu",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={setting.folder / 'tmp'}",
    ]
    command = [sys.executable, "-m", "pytest", *options, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    last = done.stdout.strip().splitlines()[-1:]
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", "".join(last))}
    yield Figure("failed", counts.get("failed", 0) + counts.get("error", 0), at_most(0))
    yield Figure("passed", counts.get("passed", 0), at_least(1), "", True)
    yield Figure("exit status of pytest", done.returncode, at_most(0))
    for line in re.findall(r"^(?:FAILED|ERROR) (.*)$", done.stdout, re.MULTILINE):
        yield Figure("failed", line[:200])
