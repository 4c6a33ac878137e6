"""A run's recordings: found once, listed in the run folder, the same for every process."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from video.manifest import Recording, read_source, write_manifest
from video.probe import probe_all
from video.sampling import ClipSampler

from launch.checkpoints import complete_checkpoints
from launch.processes import Processes, wait_for_all
from pretrain.config import PretrainConfig
from video.ledger import Ledger

MANIFEST_FILE = "manifest.csv"
LEDGER_FILE = "unreadable.jsonl"
PROBING_THREADS = 8


class Source(NamedTuple):
    """The recordings of a run."""

    recordings: list[Recording]
    sampler: ClipSampler
    manifest_sha256: str

    @property
    def hours(self) -> float:
        return sum(recording.seconds for recording in self.recordings) / 3600


def open_source(config: PretrainConfig, folder: Path, processes: Processes) -> Source:
    """Reads the run's manifest, which the first process writes where the run is new.

    A run that goes on keeps the list that it began with. Raises ManifestError where the source
    holds nothing usable, TooManyUnreadable where too much of it cannot be opened.
    """
    manifest = folder / MANIFEST_FILE
    if processes.is_first and not complete_checkpoints(folder / "checkpoints"):
        _write_run_manifest(config, folder)
    wait_for_all()
    recordings = read_source(manifest)
    sampler = ClipSampler(recordings, config.encoder.frames, config.data.sampling)
    return Source(recordings, sampler, hashlib.sha256(manifest.read_bytes()).hexdigest())


def _write_run_manifest(config: PretrainConfig, folder: Path) -> None:
    ledger_file = folder / LEDGER_FILE
    ledger_file.unlink(missing_ok=True)
    found = read_source(Path(config.data.source))
    recordings, failures = probe_all(found, PROBING_THREADS)
    Ledger(ledger_file, config.data.max_unreadable).add("recordings", len(found), failures)
    write_manifest(recordings, folder / MANIFEST_FILE)
