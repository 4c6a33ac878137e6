"""Steps that are skipped because their gradient is not finite."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.checkpoint.store import complete_checkpoints, step_of

MAX_NAMES = 4  # recordings in a message


class NonFinite(ValueError):
    """Too many steps of a run had a gradient that is not finite."""

    exit_status = 2
    on_every_process = True


class SkippedStep(NamedTuple):
    """A step that updated nothing."""

    step: int  # counted from 1
    recordings: tuple[str, ...]  # of its clips
    by_scale: bool  # an overflow in fp16: the scale of the loss was too high, not the loss

    def __str__(self) -> str:
        names = sorted(set(self.recordings))
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        clips = f"clips of {', '.join(names[:MAX_NAMES])}{more}"
        return f"step {self.step}: loss or gradient is not finite, on {clips}"


class SkippedSteps:
    """Counts skipped steps, also over resumes, and ends the run above a limit.

    Overflows of fp16 have their own count and no limit: they are how the scale is found.
    """

    def __init__(self, limit: int, checkpoints: Path, counters: dict[str, int]) -> None:
        self._limit, self._checkpoints = limit, checkpoints
        self.counters = {name: counters.get(name, 0) for name in ("skipped", "overflows")}
        self.last: int | None = None  # step

    def add(self, steps: Sequence[SkippedStep]) -> None:
        """Counts; raises NonFinite above the limit, on every process: all have the same counts."""
        bad = [step for step in steps if not step.by_scale]
        self.counters["overflows"] += len(steps) - len(bad)
        self.counters["skipped"] += len(bad)
        self.last = bad[-1].step if bad else self.last
        if bad and self.counters["skipped"] > self._limit:
            raise NonFinite(
                f"{bad[-1]}; {self.counters['skipped']} such steps are more than "
                f"engine.max_nonfinite_steps {self._limit}; they updated nothing; "
                f"{self._before(bad[0].step)}; start a new run from its weights (python -m launch "
                "consolidate, then init_from), and exclude recordings that are named repeatedly "
                "(data.exclude) or lower optimizer.base_lr"
            )

    def _before(self, step: int) -> str:
        checkpoints = complete_checkpoints(self._checkpoints)
        before = [folder for folder in checkpoints if step_of(folder) < step] or checkpoints
        return f"the checkpoint before is {before[-1]}" if before else "there is no checkpoint yet"
