"""A forked program is as one that `python` starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import launcher_free_environment, outcome_of, start_python, wait_until

pytestmark = pytest.mark.skipif(
    any(Path("/dev").glob("nvidia*")), reason="no program is forked where a device is"
)

SHOWS = """
import json, os, random, sys
import numpy
umask = os.umask(0)
shown = [__name__, sys.argv, sys.path, os.getcwd(), umask, dict(os.environ)]
print(json.dumps(shown), random.random(), numpy.random.rand(), hash("x"), sep="\\n")
print("error", file=sys.stderr)
sys.exit(3)
"""


@pytest.mark.parametrize("form", [["-m", "shows"], ["-c", SHOWS], ["{folder}/shows.py"]])
def test_a_program_sees_what_a_new_process_sees(form: list[str], tmp_path: Path) -> None:
    (tmp_path / "shows.py").write_text(SHOWS)
    words = [*(word.replace("{folder}", str(tmp_path)) for word in form), "one", "--two"]
    added = {"PYTHONPATH": f"{tmp_path}/library", "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"]}
    forked = [outcome_of(start_python(words, tmp_path, added, 0o027)) for _ in range(2)]
    new = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**launcher_free_environment(), **added},
        umask=0o027,
        capture_output=True,
        text=True,
    )
    assert new.stdout and all(done.stderr == "error\n" for done in (*forked, new))
    assert [done.returncode for done in (*forked, new)] == [3, 3, 3]
    shown = [done.stdout.splitlines() for done in (*forked, new)]
    first, second, expected = (json.loads(lines[0]) for lines in shown)
    assert first == second == expected
    # random numbers, also of NumPy, and the seed of hashes differ
    assert all(len(set(drawn)) == 3 for drawn in zip(*(lines[1:] for lines in shown), strict=True))


def test_a_program_ends_by_a_signal(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    words = ["-c", "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        started = start_python([*words, str(ready)])
        wait_until(ready.exists, started)
        assert started.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(0.01)
        started.send_signal(number)
        assert outcome_of(started).returncode == -number
        ready.unlink()


def test_libraries_are_imported_before_the_program_unless_it_needs_a_new_process() -> None:
    words = ["-c", "import sys; print('torch' in sys.modules)"]
    asked = [{}, {"PYTHONHASHSEED": "random"}, {"OMP_NUM_THREADS": "7"}]
    outcomes = [outcome_of(start_python(words, environment=each)) for each in asked]
    assert [done.stdout for done in outcomes] == ["True\n", "False\n", "False\n"]
