"""The recordings of a run: found once and listed in the run folder, for all processes."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from launch.atomic_io import sha256_file
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints
from launch.distributed.process_group import Processes, run_on_rank0
from pretrain.config import PretrainConfig
from pretrain.data_config import PretrainDataConfig
from pretrain.exclusion import without_excluded
from pretrain.source_changes import (
    EXCLUDED_FILE,
    FAILURE_LOG_FILE,
    MANIFEST_FILE,
    RECORDINGS,
    compare_sources,
)
from video.changes import with_contents
from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import why_no_clip
from video.config import Sampling
from video.failure_log import FailureLog, failed_paths
from video.field_of_view_crop import centred_crop, inside_cells
from video.manifest import ManifestError, naming_key, read_manifest, write_manifest
from video.open_source import open_source
from video.progress import show_progress
from video.recording import Recording, UnreadableVideo, WantedStream


class Sources(NamedTuple):
    """The recordings of a run."""

    recordings: list[Recording]
    sampler: ClipSampler
    plans: dict[str, SamplingPlan]
    manifest_sha256: str
    unusable: int  # recordings that were found but cannot be used
    notes: tuple[str, ...] = ()  # what a resumed run found in its sources

    @property
    def hours(self) -> float:
        return sum(recording.shown_seconds for recording in self.recordings) / 3600


def plans_of(data: PretrainDataConfig) -> dict[str, SamplingPlan]:
    """Sampling of each source by its name; a single source has the empty name."""
    return {
        name: SamplingPlan(source.sampling or data.sampling, source.weight)
        for name, source in data.named.items()
    }


def open_sources(config: PretrainConfig, folder: Path, processes: Processes) -> Sources:
    """Reads the run's manifest, which rank 0 writes for a new run.

    A resumed run keeps its manifest, except for the paths of recordings that have moved, and
    compares it with the files and the sources. Raises ManifestError where no recording is usable,
    or where a run began with other recordings, TooManyUnreadable where too many recordings cannot
    be opened.
    """
    manifest, notes = folder / MANIFEST_FILE, list[str]()

    def prepare_manifest() -> None:
        if complete_checkpoints(folder / CHECKPOINTS_FOLDER):
            comparison = compare_sources(config, folder)
            notes.extend(comparison.notes)
            if comparison.has_moved:
                write_manifest(comparison.recordings, manifest)
        else:
            _write_run_manifest(config, folder)

    run_on_rank0(processes, prepare_manifest)
    recordings, plans = read_manifest(manifest), plans_of(config.data)
    sampler = ClipSampler(recordings, config.encoder.num_frames, plans)
    unusable = len(failed_paths(folder / FAILURE_LOG_FILE, RECORDINGS))
    digest = sha256_file(manifest)
    return Sources(recordings, sampler, plans, digest, unusable, tuple(notes))


def _write_run_manifest(config: PretrainConfig, folder: Path) -> None:
    failure_log_file = folder / FAILURE_LOG_FILE
    failure_log_file.unlink(missing_ok=True)
    opened: list[Recording] = []
    failures: list[UnreadableVideo] = []
    for name, source in config.data.named.items():
        with naming_key(_key_of(name)):
            found = open_source(
                Path(source.path),
                config.data.reader,
                source.folder_fps or config.data.folder_fps,
                config.data.read_timeout,
                show_progress,
                WantedStream(config.data.stream if source.stream is None else source.stream),
            )
        opened += [replace(recording, source=name) for recording in found.recordings]
        failures += found.failures
    found_count = len(opened) + len(failures)
    plans = plans_of(config.data)
    failures += [
        failure
        for recording in opened
        if (failure := _without_clips(recording, plans[recording.source].sampling, config))
    ]
    FailureLog(failure_log_file, config.data.max_unreadable).add(RECORDINGS, found_count, failures)
    failed = {failure.path for failure in failures}
    recordings = [recording for recording in opened if recording.path not in failed]
    if not recordings:
        given = config.data.named.items()
        keys = ", ".join(f"{_key_of(name)}: {source.path}" for name, source in given)
        raise ManifestError(f"{keys}: no recording can be used; the first: {failures[0]}")
    included, excluded = without_excluded(recordings, config.data)
    (folder / EXCLUDED_FILE).unlink(missing_ok=True)
    if excluded:
        write_manifest(excluded, folder / EXCLUDED_FILE)
    write_manifest(with_contents(included), folder / MANIFEST_FILE)


def _key_of(name: str) -> str:
    """The key that gives a source's recordings."""
    return f"data.sources.{name}.path" if name else "data.source"


def _without_clips(
    recording: Recording, sampling: Sampling, config: PretrainConfig
) -> UnreadableVideo | None:
    """Why a recording has no clip; None: it has some."""
    no_clip = why_no_clip(recording, config.encoder.num_frames, sampling)
    if no_clip is None:
        return _too_little_fov(recording, config)
    key = config.data.key_of(recording.source, "sampling")
    cure = f"set {key}.short_videos to clamp or loop, or raise {key}.frame_rate"
    if no_clip.is_blank:
        cure = f"look at it: it shows nothing to learn; {key}.skip_segments=[] takes it"
    return UnreadableVideo(recording.path, f"{no_clip.reason}; {cure}")


def _too_little_fov(recording: Recording, config: PretrainConfig) -> UnreadableVideo | None:
    """Why no crop has enough field of view for `data.mask_inside_fov`; None: one has."""
    if not config.data.mask_inside_fov or recording.view is None:
        return None
    box = centred_crop(recording.view, *recording.shape, *config.encoder.image_size)
    inside = inside_cells(recording.view, *recording.shape, box, config.encoder.grid[1:]).mean()
    if inside >= config.min_fov_share:
        return None
    return UnreadableVideo(
        recording.path,
        f"has its field of view in {inside:.0%} of a crop, data.mask_inside_fov needs "
        f"{config.min_fov_share:.0%}; prepare it with --crop-view, or raise the mask ratio",
    )
