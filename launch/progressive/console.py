"""What a chain prints, besides the output of its stages."""

import contextlib

from launch.distributed.signals import INTERRUPTED, STOPPED
from launch.progressive.chain import Chain
from launch.progressive.state import ChainState, StageRecord

COLUMNS = ("stage", "status", "started", "ended", "run time", "starts")
STATUSES = {None: "not ended", 0: "complete", STOPPED: "saved, stopped", INTERRUPTED: "interrupted"}


def echo(line: str) -> None:
    """Prints a line; does nothing where the terminal is gone."""
    with contextlib.suppress(OSError):
        print(f"chain: {line}", flush=True)


def format_time(time: str | None) -> str:
    """A recorded time without its time zone."""
    return time[:19].replace("T", " ") if time else "-"


def format_duration(seconds: float) -> str:
    """Two units, or seconds with a decimal."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def summary_table(chain: Chain, state: ChainState) -> list[str]:
    """A header line, then a line for each stage in the order of execution."""
    rows = [COLUMNS, *(_row(stage.name, state.stages.get(stage.name)) for stage in chain.stages)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(name: str, record: StageRecord | None) -> tuple[str, ...]:
    if record is None:
        return name, "not started", "-", "-", "-", "0"
    status = STATUSES.get(record.exit_status, f"failed ({record.exit_status})")
    times = format_time(record.begun), format_time(record.ended)
    return name, status, *times, format_duration(record.seconds), str(record.starts)
