"""The command line of `python -m launch doctor`."""

import argparse
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

LIMIT = 60.0  # seconds
WIDTHS = (60, 120)  # of the table, in columns

DESCRIPTION = """\
Checks a machine, or a whole allocation, before a run: GPUs, memory, limits, network, disks.

  python -m launch doctor --source /videos --run runs/first
  torchrun --nproc_per_node 8 -m launch doctor --run-folder runs/first
  srun python -m launch doctor --source /scratch/fast --run /scratch/runs/first

Exit status 0: nothing failed; 2: something did."""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 3600")
    return value


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch doctor",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--source", type=Path, help="recordings or a manifest, as data.source: how fast they read"
    )
    parser.add_argument(
        "--run",
        "--run-folder",  # torchrun takes --run for an option of its own, even behind the program
        type=Path,
        help="a run folder, as run: how fast it is written; need not exist (below torchrun: "
        "--run-folder)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document, no table")
    parser.add_argument(
        "--limit",
        type=_seconds,
        default=LIMIT,
        metavar="SECONDS",
        help="end a check, and the wait for other processes, after this time (%(default)g)",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the exit status is 2 if a check failed on any process."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # the table says it in one line
    from launch.distributed.process_group import detect_processes
    from launch.doctor.check_result import Place
    from launch.doctor.diagnosis import diagnose
    from launch.doctor.table import format_json, format_table

    processes = detect_processes(os.environ)
    # the name of a node in SLURM, else of the host
    host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    place = Place(processes, host, options.limit, options.source, options.run)
    diagnosis, status = diagnose(place)
    if processes.is_rank0:
        width = min(max(shutil.get_terminal_size((100, 24)).columns, WIDTHS[0]), WIDTHS[1])
        lines = [format_json(diagnosis)] if options.json else format_table(diagnosis, width)
        print("\n".join(lines), flush=True)
    elif diagnosis.rows[0].verdict == "failed":  # rank 0 does not know of it
        print(f"doctor: rank {processes.rank} on {host}: ", end="", file=sys.stderr)
        print(diagnosis.rows[0].parts[0].finding.figure, file=sys.stderr, flush=True)
    return status
