"""The last word on every stage, in columns."""

from launch.distributed.signals import INTERRUPTED, STOPPED
from launch.progressive.chain import Chain
from launch.progressive.console import clock, span
from launch.progressive.state import ChainState, StageRecord

COLUMNS = ("stage", "state", "begun", "ended", "at work", "starts")
STATES = {None: "not ended", 0: "complete", STOPPED: "saved, stopped", INTERRUPTED: "interrupted"}


def table(chain: Chain, records: ChainState) -> list[str]:
    """A line for the columns, then one for each stage in the order in which they run."""
    rows = [COLUMNS, *(_row(stage.name, records.stages.get(stage.name)) for stage in chain.stages)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(name: str, record: StageRecord | None) -> tuple[str, ...]:
    if record is None:
        return name, "not begun", "-", "-", "-", "0"
    state = STATES.get(record.exit_status, f"failed ({record.exit_status})")
    times = clock(record.begun), clock(record.ended)
    return name, state, *times, span(record.seconds), str(record.starts)
