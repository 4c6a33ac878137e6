"""Work that hangs or crashes ends alone, and with what it has started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.doctor.isolation import NoAnswer, run_isolated
from launch.errors import ConfigError
from tests.conftest import wait_until


def test_the_answer_is_plain_data() -> None:
    assert run_isolated(lambda: {"pid": [1, 2.5, None]}, 20) == {"pid": [1, 2.5, None]}


def test_work_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    file = tmp_path / "child"

    def hang() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "600"])
        file.write_text(str(child.pid))
        time.sleep(600)

    with pytest.raises(NoAnswer, match=r"^no answer in 1 s$"):
        run_isolated(hang, 1)
    child = Path(f"/proc/{file.read_text()}/stat")

    def has_ended() -> bool:  # whoever adopts it may not have read its status
        try:
            return child.read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(has_ended)


def test_work_that_crashes_is_named_by_its_last_words_or_its_signal() -> None:
    def speak() -> None:
        os.write(2, b"first\nterminate called\n")
        os._exit(3)

    with pytest.raises(NoAnswer, match="terminate called"):
        run_isolated(speak, 20)
    with pytest.raises(NoAnswer, match="SIGKILL"):
        run_isolated(lambda: os.kill(os.getpid(), signal.SIGKILL), 20)


def test_errors_come_back_as_one_line() -> None:
    def fail() -> None:
        raise ConfigError("engine: 3; take 2")

    with pytest.raises(NoAnswer, match=r"^engine: 3; take 2$"):
        run_isolated(fail, 20)
    with pytest.raises(NoAnswer, match=r"^ZeroDivisionError: .* by zero$"):
        run_isolated(lambda: 1 // 0, 20)


def test_what_it_prints_does_not_mix_with_the_output() -> None:
    code = (
        "from launch.doctor.isolation import run_isolated\n"
        "import os\n"
        "print(run_isolated(lambda: os.write(1, b'noise\\n'), 20))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "6\n"
