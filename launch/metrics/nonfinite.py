"""Steps that were skipped because their gradient was not finite."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.checkpoint.store import complete_checkpoints, step_of

SHOWN = 4


class NonFinite(ValueError):
    """Too many steps of a run had no finite gradient."""

    exit_status = 2
    on_every_process = True


class SkippedStep(NamedTuple):
    """A step that updated nothing."""

    step: int  # counted from 1
    recordings: tuple[str, ...]  # that its clips were of
    by_scale: bool  # an overflow in fp16: not the loss, but the scale of it was too high

    def __str__(self) -> str:
        names = sorted(set(self.recordings))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        what = f"on clips of {', '.join(names[:SHOWN])}{more}"
        return f"step {self.step}: loss or gradient is not finite, {what}"


class SkippedSteps:
    """Counts them over the whole run, and ends it above a limit.

    Overflows of fp16 have a count of their own and no limit: they are how its scale is found.
    """

    def __init__(self, limit: int, checkpoints: Path, counters: dict[str, int]) -> None:
        self._limit, self._checkpoints = limit, checkpoints
        self.counters = {name: counters.get(name, 0) for name in ("skipped", "overflows")}
        self.last: int | None = None  # step

    def add(self, steps: Sequence[SkippedStep]) -> None:
        """Counts; raises NonFinite on every process, for all of them count alike."""
        bad = [step for step in steps if not step.by_scale]
        self.counters["overflows"] += len(steps) - len(bad)
        self.counters["skipped"] += len(bad)
        self.last = bad[-1].step if bad else self.last
        if bad and self.counters["skipped"] > self._limit:
            raise NonFinite(
                f"{bad[-1]}; {self.counters['skipped']} such steps are more than "
                f"engine.max_nonfinite_steps {self._limit}; nothing was updated in them; "
                f"{self._before(bad[0].step)}; leave out what is named again and again "
                "(data.exclude), or lower optimizer.base_lr, in a new run from its weights "
                "(python -m launch consolidate, then init_from)"
            )

    def _before(self, step: int) -> str:
        there = complete_checkpoints(self._checkpoints)
        before = [folder for folder in there if step_of(folder) < step] or there
        return f"the checkpoint before is {before[-1]}" if before else "there is no checkpoint yet"
