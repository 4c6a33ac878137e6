"""A check in a process of its own: a crash, a hang or a full GPU there ends no other check."""

import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu.figure import Figure, Limit, Setting, Verdict
from benchmarks.gpu.subprocess_call import redirect_output, start_context

FIGURES, OUTPUT, REASON = "figures.jsonl", "output.txt", "reason.txt"
LOG_BYTES = 4000  # of the output that a failed check leaves in the record


class Outcome(NamedTuple):
    """What became of a check."""

    name: str
    verdict: Verdict
    figures: tuple[Figure, ...]
    seconds: float
    reason: str = ""  # why it failed without a figure, or was skipped
    output: str = ""  # the end of what a failed check printed


def run_check(name: str, setting: Setting, seconds: float) -> Outcome:
    """Runs a check for so many seconds at most; what it has measured until then is kept."""
    context: Any = multiprocessing.get_context(start_context(setting))
    setting.folder.mkdir(parents=True)
    process = context.Process(target=_work, args=(name, setting))
    began = time.monotonic()
    process.start()
    process.join(seconds)
    is_late = process.is_alive()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it, and all that it has started
    process.join()
    spent = time.monotonic() - began
    figures = _read_figures(setting.folder / FIGURES)
    reason = _reason(process.exitcode, setting.folder)
    if is_late:
        reason = f"cut after {seconds:.0f} s, before it was complete"
    is_failed = bool(reason) or any(
        figure.verdict(not setting.is_dry) == "FAILED" for figure in figures
    )
    output = _tail(setting.folder / OUTPUT) if is_failed else ""
    return Outcome(name, "FAILED" if is_failed else "ok", figures, spent, reason, output)


def _work(name: str, setting: Setting) -> None:
    from benchmarks.gpu.checks import CHECKS  # here, because the table imports everything

    os.setpgid(0, 0)
    redirect_output(setting.folder / OUTPUT)
    os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"
    status = 0
    try:
        with (setting.folder / FIGURES).open("w") as file:
            for figure in CHECKS[name].measure(setting):
                file.write(json.dumps(asdict(figure)) + "\n")
                file.flush()
    except BaseException as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:300]
        (setting.folder / REASON).write_text(f"{type(error).__name__}: {text}".removesuffix(": "))
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # after ZeRO 3, gloo may abort at the interpreter's exit


def _read_figures(file: Path) -> tuple[Figure, ...]:
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    limits = [row.pop("limit") for row in rows]
    return tuple(
        Figure(**row, limit=limit and Limit(*limit))
        for row, limit in zip(rows, limits, strict=True)
    )


def _reason(status: int | None, folder: Path) -> str:
    if not status:
        return ""
    if (folder / REASON).exists():
        return (folder / REASON).read_text()
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _tail(file: Path) -> str:
    return file.read_bytes()[-LOG_BYTES:].decode(errors="replace") if file.exists() else ""
