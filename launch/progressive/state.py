"""`chain.json`: what is known of each stage's last start, on the disk before it is acted on."""

from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from launch.atomic_io import write_atomic
from launch.progressive.locks import state_lock
from launch.progressive.yaml_lines import ChainError

RECORDS_FILE = "chain.json"
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class StageRecord:
    """A stage's contents, as one or more starts of it have made them."""

    command: tuple[str, ...]  # of the last start, as the chain file has it
    recipe: str | None  # the file
    recipe_sha256: str | None
    inputs: dict[str, str]  # sha256 by stage/path
    begun: str  # the first start; local times with their zones
    outputs: dict[str, str] = field(default_factory=dict)  # sha256 by path, what others take
    ended: str | None = None  # the last start; None while it runs, and after it was killed
    exit_status: int | None = None
    seconds: float = 0.0  # at work, all starts whose end is known
    starts: int = 1
    host: str = ""  # of the last start, and the leader of its processes
    process: int | None = None
    levels: int = 0  # generations from that leader down to the program's processes

    @property
    def is_complete(self) -> bool:
        return self.exit_status == 0


@dataclass(frozen=True, config=STRICT)
class ChainState:
    """What a chain's folder holds, by stage."""

    stages: dict[str, StageRecord] = field(default_factory=dict)
    aside: dict[str, StageRecord] = field(
        default_factory=dict
    )  # by the name under which it was put
    jobs: dict[str, str] = field(default_factory=dict)  # of SLURM, the last submitted


_ADAPTER = TypeAdapter(ChainState)


def read_state(folder: Path) -> ChainState:
    """Raises ChainError where the file is not one of records."""
    file = folder / RECORDS_FILE
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except FileNotFoundError:
        return ChainState()
    except (OSError, ValidationError) as error:
        why = " ".join(str(error).split())[:200]
        raise ChainError(
            f"{file}: cannot be read ({why}); bring it back from a copy, or give the chain another "
            "folder"
        ) from None


def update_state(folder: Path, change: Callable[[ChainState], ChainState]) -> ChainState:
    """Replaces the records by what `change` makes of them; jobs of other stages may do the same."""
    with state_lock(folder):
        changed = change(read_state(folder))
        file, text = folder / RECORDS_FILE, _ADAPTER.dump_json(changed, indent=1).decode()
        try:
            write_atomic(file, text + "\n")
        except OSError as error:
            raise ChainError(
                f"{file}: cannot be written ({error.strerror}); make room, and give the same "
                "command again"
            ) from None
    return changed


def record_stage(folder: Path, name: str, record: StageRecord) -> StageRecord:
    update_state(folder, lambda old: replace(old, stages={**old.stages, name: record}))
    return record


def record_job(folder: Path, name: str, job: str) -> None:
    update_state(folder, lambda old: replace(old, jobs={**old.jobs, name: job}))


def record_aside(folder: Path, name: str, aside: str) -> None:
    """Moves the record of a stage to the name under which its folder was put."""

    def change(old: ChainState) -> ChainState:
        stages: dict[str, Any] = dict(old.stages)
        record = stages.pop(name, None)
        return replace(old, stages=stages, aside=old.aside | ({aside: record} if record else {}))

    update_state(folder, change)
