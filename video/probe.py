"""Opens every recording of a source once, side by side."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from video.manifest import Recording
from video.reader import UnreadableVideo, probe


def probe_all(paths: Sequence[str], threads: int) -> tuple[list[Recording], list[UnreadableVideo]]:
    """What is known of each recording, in the given order, and the failures of the others."""

    def attempt(path: str) -> Recording | UnreadableVideo:
        try:
            return probe(path)
        except UnreadableVideo as failure:
            return failure

    with ThreadPoolExecutor(threads) as pool:  # the decoder leaves other threads running
        outcomes = list(pool.map(attempt, paths))
    recordings = [outcome for outcome in outcomes if isinstance(outcome, Recording)]
    return recordings, [outcome for outcome in outcomes if isinstance(outcome, UnreadableVideo)]
