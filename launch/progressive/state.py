"""`chain.json`: the record of each stage, written before the stage starts and after it ends."""

from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from launch.atomic_io import write_atomic
from launch.progressive.chain import ChainError
from launch.progressive.locks import state_lock

STATE_FILE = "chain.json"
STRICT = ConfigDict(extra="forbid")
UNUSED_KEYS = {"process", "levels"}  # of stage records up to version 7b7086b


@dataclass(frozen=True, config=STRICT)
class StageRecord:
    """What is known of a stage after one or more starts."""

    command: tuple[str, ...]  # of the last start, with ${stage} as in the chain file
    recipe: str | None  # path
    recipe_sha256: str | None
    inputs: dict[str, str]  # sha256 by stage/path
    begun: str  # the first start, in local time with its zone
    outputs: dict[str, str] = field(default_factory=dict)  # sha256 by path, of what others read
    ended: str | None = None  # of the last start; None while it runs, and after it was killed
    exit_status: int | None = None
    seconds: float = 0.0  # run time of all starts whose end is known
    starts: int = 1
    host: str = ""  # of the last start

    @model_validator(mode="before")
    @classmethod
    def _drop_unused_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if key not in UNUSED_KEYS}
        return values

    @property
    def is_complete(self) -> bool:
        return self.exit_status == 0


@dataclass(frozen=True, config=STRICT)
class ChainState:
    """The contents of `chain.json`."""

    stages: dict[str, StageRecord] = field(default_factory=dict)
    archived: dict[str, StageRecord] = field(default_factory=dict)  # by new name, as STAGE.old-1
    jobs: dict[str, str] = field(default_factory=dict)  # SLURM job last submitted for each stage

    @model_validator(mode="before")
    @classmethod
    def _rename_old_key(cls, values: Any) -> Any:
        if isinstance(values, dict) and "aside" in values:  # up to version 7b7086b
            return {"archived" if key == "aside" else key: held for key, held in values.items()}
        return values


_ADAPTER = TypeAdapter(ChainState)


def read_state(folder: Path) -> ChainState:
    """Raises ChainError if the file is damaged; an absent file is an empty state."""
    file = folder / STATE_FILE
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except FileNotFoundError:
        return ChainState()
    except (OSError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ChainError(
            f"{file}: cannot be read ({reason}); restore it from a copy, or give the chain another "
            "folder"
        ) from None


def update_state(folder: Path, change: Callable[[ChainState], ChainState]) -> None:
    """Replaces the state by `change(state)`; safe against jobs of other stages that do the same."""
    with state_lock(folder):
        changed = change(read_state(folder))
        file, text = folder / STATE_FILE, _ADAPTER.dump_json(changed, indent=1).decode()
        try:
            write_atomic(file, text + "\n")
        except OSError as error:
            raise ChainError(
                f"{file}: cannot be written ({error.strerror}); make room on the disk, then run "
                "the same command again"
            ) from None


def record_stage(folder: Path, name: str, record: StageRecord) -> StageRecord:
    update_state(folder, lambda old: replace(old, stages={**old.stages, name: record}))
    return record


def record_job(folder: Path, name: str, job: str) -> None:
    update_state(folder, lambda old: replace(old, jobs={**old.jobs, name: job}))


def record_archived(folder: Path, name: str, new_name: str) -> None:
    """Moves the record of a stage to the new name of its folder."""

    def change(old: ChainState) -> ChainState:
        stages = dict(old.stages)
        moved = {new_name: stages.pop(name)} if name in stages else {}
        return replace(old, stages=stages, archived=old.archived | moved)

    update_state(folder, change)
