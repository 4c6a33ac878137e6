"""A run's recordings: found once, listed in the run folder, the same for every process."""

from pathlib import Path
from typing import NamedTuple

from launch.checkpoints import CHECKPOINTS_FOLDER, complete_checkpoints
from launch.durable import digest
from launch.processes import Processes, first_does
from pretrain.config import PretrainConfig
from video.ledger import Ledger, failed_during
from video.manifest import ManifestError, Recording, find_recordings, read_manifest, write_manifest
from video.probe import probe_all
from video.reader import UnreadableVideo
from video.sampling import ClipSampler, clip_seconds

MANIFEST_FILE = "manifest.csv"
LEDGER_FILE = "unreadable.jsonl"
RECORDINGS = "recordings"  # what the ledger calls failures before the first read
PROBING_THREADS = 8


class Source(NamedTuple):
    """The recordings of a run."""

    recordings: list[Recording]
    sampler: ClipSampler
    manifest_sha256: str
    unusable: int  # recordings that were found beside these

    @property
    def hours(self) -> float:
        return sum(recording.seconds for recording in self.recordings) / 3600


def open_source(config: PretrainConfig, folder: Path, processes: Processes) -> Source:
    """Reads the run's manifest, which the first process writes where the run is new.

    A run that goes on keeps the list that it began with. Raises ManifestError where the source
    holds nothing usable, TooManyUnreadable where too much of it cannot be opened.
    """
    manifest = folder / MANIFEST_FILE
    is_new = not complete_checkpoints(folder / CHECKPOINTS_FOLDER)
    first_does(processes, lambda: _write_run_manifest(config, folder) if is_new else None)
    recordings = read_manifest(manifest)
    sampler = ClipSampler(recordings, config.encoder.frames, config.data.sampling)
    unusable = failed_during(folder / LEDGER_FILE, RECORDINGS)
    return Source(recordings, sampler, digest(manifest), unusable)


def _write_run_manifest(config: PretrainConfig, folder: Path) -> None:
    ledger_file = folder / LEDGER_FILE
    ledger_file.unlink(missing_ok=True)
    found = find_recordings(Path(config.data.source))
    print(f"opening {len(found)} recordings", flush=True)  # minutes, where there are thousands
    opened, failures = probe_all(found, PROBING_THREADS)
    failures += [
        failure for failure in (_too_short(recording, config) for recording in opened) if failure
    ]
    lost = {failure.path for failure in failures}
    Ledger(ledger_file, config.data.max_unreadable).add(RECORDINGS, len(found), failures)
    recordings = [recording for recording in opened if recording.path not in lost]
    if not recordings:
        raise ManifestError(
            f"data.source: {config.data.source} holds one recording only, and {failures[0]}"
        )
    write_manifest(recordings, folder / MANIFEST_FILE)


def _too_short(recording: Recording, config: PretrainConfig) -> UnreadableVideo | None:
    needed = clip_seconds(recording, config.encoder.frames, config.data.sampling)
    if recording.seconds > needed - 0.5 / recording.fps:
        return None
    reason = f"is {recording.seconds:.2f} s long, a clip {needed:.2f} s"
    return UnreadableVideo(recording.path, reason)
