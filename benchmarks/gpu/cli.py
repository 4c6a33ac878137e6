"""The command line of `python -m benchmarks.gpu`."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from launch.errors import ConfigError

WIDTH = 100
TOTAL_SECONDS = 480

DESCRIPTION = """\
Proves on a machine with a GPU what this project promises, in at most 8 minutes; two or more GPUs
take up to 2 minutes more. It needs the checkout and its packages, and no network.

  python -m benchmarks.gpu --out benchmarks/results/h200.json
  python -m benchmarks.gpu --only base large     some checks
  python -m benchmarks.gpu --dry-run             all checks on the CPU, on tiny models

Exit status 0: every figure is within its limit; 2: one is not, or a check did not end."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write all figures")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these checks alone")
    parser.add_argument("--list", action="store_true", help="print the checks and end")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="tiny models on the CPU; limits that mean nothing there are printed, not judged",
    )
    parser.add_argument("--folder", type=Path, help="where the runs write (a temporary folder)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status is 2 if a check failed."""
    options = parser().parse_args(arguments)
    if options.dry_run:
        os.environ["DS_ACCELERATOR"] = "cpu"
        os.environ["TORCHDYNAMO_DISABLE"] = "1"  # minutes of compilation, for nothing
        os.environ["OMP_NUM_THREADS"] = "1"  # a fork of a process with more threads may hang
    from benchmarks.gpu.checks import CHECKS
    from benchmarks.gpu.table import format_list

    if options.list:
        print("\n".join(format_list(CHECKS.values(), WIDTH)))
        return 0
    try:
        return _prove(options)
    except ConfigError as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 2


def _prove(options: argparse.Namespace) -> int:
    from benchmarks.gpu.checks import CHECKS
    from benchmarks.gpu.record import describe, write_record
    from benchmarks.gpu.table import format_head, format_outcome, format_sum
    from benchmarks.gpu.worker import Outcome

    chosen = _chosen(options.only, list(CHECKS))
    if options.out and not options.out.parent.is_dir():
        raise ConfigError(f"--out: {options.out.parent} is not a folder; make it first")
    device, gpus = _device(options.dry_run)
    machine = describe(device)
    print("\n".join(format_head(machine, len(chosen), WIDTH)), flush=True)
    began, outcomes = time.monotonic(), list[Outcome]()
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as folder:
        for outcome in _outcomes(chosen, device, gpus, Path(folder)):
            outcomes.append(outcome)
            lines = format_outcome(outcome, device.type == "cuda", WIDTH)
            print("\n".join(lines), flush=True)
    print(format_sum(outcomes, time.monotonic() - began))
    if options.out:
        write_record(options.out, machine, outcomes, time.monotonic() - began)
    return 2 if any(outcome.verdict == "FAILED" for outcome in outcomes) else 0


def _outcomes(chosen: list[str], device: Any, gpus: int, folder: Path) -> Iterator[Any]:
    """Each check gets its seconds, and what those before it have left over."""
    from benchmarks.gpu.checks import CHECKS
    from benchmarks.gpu.figure import Setting
    from benchmarks.gpu.worker import Outcome, run_check

    shared = folder / "shared"
    shared.mkdir()
    # few checks may take the time of all
    spare = float(max(0, TOTAL_SECONDS - sum(CHECKS[name].seconds for name in chosen)))
    for name in chosen:
        check = CHECKS[name]
        if device.type == "cuda" and gpus < check.gpus:
            yield Outcome(name, "skipped", (), 0, f"{gpus} GPU; it needs {check.gpus}")
            continue
        setting = Setting(device, gpus, folder / name.replace(" ", "-"), shared)
        limit = check.seconds + spare
        outcome = run_check(name, setting, limit)
        spare = max(0.0, limit - outcome.seconds)
        yield outcome


def _chosen(only: list[str] | None, names: list[str]) -> list[str]:
    unknown = [name for name in only or () if name not in names]
    if unknown:
        raise ConfigError(f"--only: there is no check {unknown[0]}; it has {', '.join(names)}")
    return [name for name in names if only is None or name in only]


def _device(dry: bool) -> tuple[Any, int]:
    """The device, and the number of GPUs that are visible."""
    import torch

    from launch.distributed.device import find_device

    device = find_device(0, os.environ)
    if device.type == "cpu" and not dry:
        raise ConfigError("there is no GPU; --dry-run goes through the checks on the CPU")
    if dry:
        torch.set_num_threads(1)
        _import_before_forks()
    return device, 0 if dry else torch.cuda.device_count()


def _import_before_forks() -> None:
    """What each check of a dry run would import for seconds."""
    import torch._dynamo

    import pretrain.run  # noqa: F401
    from launch.training.deepspeed_private import import_deepspeed

    import_deepspeed(torch.device("cpu"))
