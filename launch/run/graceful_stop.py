"""What follows every step: a checkpoint where one is due, the end where a signal asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from launch.checkpoint.saver import Saver, State
from launch.distributed.process_group import any_rank
from launch.distributed.signals import SignalState, Stopped
from launch.distributed.watchdog import Watchdog
from launch.metrics.run_logger import RunLogger


@contextmanager
def finish_on_error(saver: Saver, logger: RunLogger) -> Iterator[None]:
    """Finishes the checkpoint that is being written, and the log, where the body raises.

    What only this process raises waits for nobody: the others may never come to that checkpoint.
    """
    try:
        yield
    except Exception as error:
        if getattr(error, "on_every_process", False):
            saver.finish()
        logger.close()
        raise


class GracefulStop:
    """Agrees with all processes after every step whether the run stops, and saves."""

    def __init__(self, saver: Saver, signals: SignalState, watchdog: Watchdog, last: int) -> None:
        self._saver, self._signals, self._watchdog = saver, signals, watchdog
        self._last = last
        self._stops = self._is_saving = False

    def poll(self, step: int) -> bool:
        """Whether the run stops after this step, the same on every process, which all call it."""
        request, self._is_saving = any_rank(self._signals.request is not None, self._saver.is_busy)
        self._stops = request and step < self._last
        return self._stops

    def end_step(self, step: int, state: State, counters: dict[str, int], saves: bool) -> None:
        """Saves where it is due, or where the run stops; raises Stopped then."""
        self._watchdog.set_status(f"step {step}, saving")
        self._saver.poll(self._is_saving)
        if saves or self._stops:
            self._saver.save(step, state, counters)
        if self._stops:
            self._saver.close()
            by = self._signals.request or "another process"
            raise Stopped(f"stopped by {by} after step {step}, which is saved", True)
