"""A logger in a child process: nothing is lost, nothing waits, and a failure is one warning."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from launch.metrics.background_logger import BackgroundLogger
from launch.metrics.loggers import LoggerContext, WriteWarning
from tests.conftest import HANG_LIMIT, ROOT, wait_until
from tests.launch.metrics.services import ServiceConfig

SERVICES = "tests.launch.metrics.services"


def open_service(
    folder: Path, service: str, warnings: list[str], url: str = "", timeout: float = 60.0
) -> BackgroundLogger:
    warning = WriteWarning(warnings.append)
    context = LoggerContext(folder, 0, list, warnings.append, warning)
    return BackgroundLogger(f"{SERVICES}:{service}", ServiceConfig(url), context, timeout)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A local port that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


def test_all_calls_arrive_in_order(tmp_path: Path) -> None:
    warnings = list[str]()
    logger = open_service(tmp_path, "FileService", warnings)
    for step in range(100):
        logger.log_scalars(step, {"loss/train": step / 4})
    logger.log_image(100, "picture", np.full((2, 3, 3), 7, np.uint8))
    logger.close()
    calls = json.loads((tmp_path / "calls.json").read_text())
    assert calls[:-1] == [[step, {"loss/train": step / 4}] for step in range(100)]
    assert calls[-1] == [100, "picture", [2, 3, 3], 7 * 18]
    assert not warnings


def test_a_service_that_does_not_answer_costs_no_step_and_few_seconds_at_the_end(
    tmp_path: Path, silent_port: int
) -> None:
    warnings, url = list[str](), f"http://127.0.0.1:{silent_port}"
    logger = open_service(tmp_path, "WebService", warnings, url, timeout=1.0)
    began = time.monotonic()
    for step in range(20_000):  # more than the queue holds; each would wait for the timeout
        logger.log_scalars(step, {"loss/train": 1.0})
    logger.close()
    assert time.monotonic() - began < HANG_LIMIT
    assert len(warnings) == 1 and "service failed" in warnings[0]


def test_the_end_waits_for_the_timeout_alone(tmp_path: Path, silent_port: int) -> None:
    warnings, url = list[str](), f"http://127.0.0.1:{silent_port}"
    logger = open_service(tmp_path, "WebService", warnings, url, timeout=1.0)
    logger.log_scalars(1, {"loss/train": 1.0})
    logger.close()
    assert warnings == [
        "warning: log.loggers: service failed (it did not answer within 1 s); the run continues "
        "without it, log.jsonl has all metrics"
    ]


@pytest.mark.parametrize(
    ("service", "url", "reason"),
    [
        ("WebService", "http://127.0.0.1:9", "Connection refused"),
        ("WebService", "no-scheme", "ValueError: unknown url type"),
        ("Missing", "", "AttributeError"),
        ("LeavingService", "", "SystemExit: 0"),
    ],
)
def test_an_error_is_one_warning(tmp_path: Path, service: str, url: str, reason: str) -> None:
    warnings = list[str]()
    logger = open_service(tmp_path, service, warnings, url)
    for step in range(10):
        logger.log_scalars(step, {"loss/train": 1.0})
    logger.close()
    logger.log_scalars(10, {"loss/train": 1.0})
    assert len(warnings) == 1 and reason in warnings[0] and "\n" not in warnings[0]


def test_a_child_that_was_killed_is_one_warning(tmp_path: Path) -> None:
    warnings = list[str]()
    logger = open_service(tmp_path, "FileService", warnings)
    os.kill(logger.pid, signal.SIGKILL)
    for step in range(10):
        logger.log_scalars(step, {"loss/train": 1.0})
    logger.close()
    assert len(warnings) == 1 and "its process ended with status -9" in warnings[0]


def test_the_child_of_a_killed_run_ends(tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from tests.launch.metrics.test_background_logger import open_service
logger = open_service(Path({str(tmp_path)!r}), "HangingService", [], timeout=1.0)
print(logger.pid, flush=True)
time.sleep(10_000)
"""
    run = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert run.stdout is not None
    child = int(run.stdout.readline())
    run.kill()
    run.wait()
    wait_until(lambda: not Path(f"/proc/{child}").exists())
