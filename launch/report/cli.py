"""The command line of `python -m launch report`."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

MAX_VALUES = 4  # of a run, on its line in the terminal

DESCRIPTION = """\
Writes an HTML page on a run, or on several side by side. It opens from disk, without network.

  python -m launch report runs/first                        runs/first/report.html
  python -m launch report runs/first runs/second            ./report.html
  python -m launch report runs/first --out first.html
  python -m launch report runs/first --as-reference FILE.json   its loss, for other pages"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch report",
        description=DESCRIPTION,
        epilog="launch/report/__init__.py describes the page.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="default: RUN/report.html; for several runs report.html in the current folder",
    )
    parser.add_argument(
        "--as-reference",
        type=Path,
        metavar="FILE.json",
        help="write the loss of a successful pretraining instead of a page; pages of pretrainings "
        "show the files in launch/report/references",
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Runs the command. Raises ConfigError for mistakes of the user."""
    options = parser().parse_intermixed_args(arguments)
    from launch.errors import ConfigError

    runs: list[Path] = options.runs
    if options.as_reference:
        if len(runs) > 1 or options.out:
            raise ConfigError("report: --as-reference takes one run and no --out")
        _write_reference(runs[0], options.as_reference)
        return
    out: Path = options.out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    if out.suffix not in (".html", ".htm"):  # a mistyped path must not replace a file of the run
        raise ConfigError(f"report: --out {out} is not an HTML file; end it with .html")
    _write_page(runs, out)


def _write_page(folders: Sequence[Path], out: Path) -> None:
    from launch.atomic_io import require_writable, write_atomic
    from launch.errors import ConfigError
    from launch.report.headline import describe_status, key_values
    from launch.report.reference_runs import read_references
    from launch.report.render import render
    from launch.report.run_data import read_runs

    require_writable(out)
    runs = read_runs(folders)
    references = read_references(lambda line: print(f"warning: {line}", flush=True))
    page = render(runs, references)
    try:
        write_atomic(out, page)
    except OSError as error:
        raise ConfigError(
            f"report: {out} cannot be written ({error.strerror}); give --out FILE.html"
        ) from None
    for run in runs:
        values = [f"{each.name.lower()} {each.value} {each.note}" for each in key_values(run)]
        shown = "; ".join(value.strip() for value in values[:MAX_VALUES])
        print(f"{run.name}: {shown}; {describe_status(run, time.time())}")
        for problem in run.problems:
            print(f"  {problem}")
    print(out)


def _write_reference(folder: Path, file: Path) -> None:
    from launch.atomic_io import require_writable
    from launch.report.reference_runs import write_reference
    from launch.report.run_data import read_runs

    require_writable(file)
    write_reference(read_runs([folder])[0], file)
    print(file)
