"""The end of every step: a checkpoint when one is due, and a stop after a signal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from launch.checkpoint.saver import Saver, TrainingState
from launch.distributed.process_group import any_rank, any_rank_later
from launch.distributed.signals import SignalState, Stopped
from launch.distributed.watchdog import Watchdog
from launch.metrics.run_logger import RunLogger
from launch.run.folder_watch import RunFolderLost


@contextmanager
def finish_on_error(saver: Saver, logger: RunLogger) -> Iterator[None]:
    """Finishes the pending checkpoint and closes the log when the body raises.

    An error of this process alone does not wait for the checkpoint: the others may never reach it.
    """
    try:
        yield
    except Exception as error:
        if getattr(error, "on_every_process", False):
            saver.finish()
        logger.close()
        raise


def _nothing() -> tuple[bool, ...]:
    return False, False, False


class GracefulStop:
    """Agrees on all processes after every step whether the run stops, and saves.

    `find_loss` says on rank 0 why the run folder is gone, "" if it is not. With `deferred`, the
    processes learn of each other one step later, and no step waits for the agreement: a ring over
    many processes takes as long as a step of a small model on a GPU.
    """

    def __init__(
        self,
        saver: Saver,
        signals: SignalState,
        watchdog: Watchdog,
        find_loss: Callable[[], str],
        last: int,
        deferred: bool,
    ) -> None:
        self._saver, self._signals, self._watchdog = saver, signals, watchdog
        self._find_loss, self._last = find_loss, last
        self._stops = self._is_saving = False
        self._deferred, self._flags = deferred, _nothing
        self._is_stale = False  # whether flags that are under way are older than what is saved

    def poll(self, step: int) -> bool:
        """Whether the run stops after this step; every process calls it and gets the same.

        Raises RunFolderLost, on every process, where nothing can be saved any more.
        """
        lost = self._find_loss()
        own = self._signals.request is not None, self._saver.is_busy, bool(lost)
        if self._deferred:
            request, is_saving, is_lost = self._flags()
            self._flags = any_rank_later(*own)
            self._is_saving, self._is_stale = is_saving or self._is_stale, False
        else:
            request, self._is_saving, is_lost = any_rank(*own)
        if is_lost:
            raise RunFolderLost(lost or self._find_loss(), on_every_process=True)
        self._stops = request and step < self._last
        return self._stops

    def end_step(
        self, step: int, state: TrainingState, counters: dict[str, int], saves: bool
    ) -> None:
        """Saves if `saves`, or if the run stops; raises Stopped in that case."""
        self._watchdog.set_status(f"step {step}, saving")
        self._is_stale = self._saver.poll(self._is_saving)
        if saves or self._stops:
            self._saver.save(step, state, counters)
            self._is_stale = True
        if self._stops:
            self._saver.close()
            sender = self._signals.request or "another process"
            raise Stopped(f"stopped by {sender} after step {step}, which is saved", True)
