"""The labelled samples of a run: found and joined once, by its first process."""

import hashlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from finetune.config import FinetuneConfig, FinetuneDataConfig
from finetune.data.clip_labels import label_clips
from finetune.data.clip_lists import Entries, paths_of, read_parts
from finetune.data.config import ClipsConfig, DatasetConfig
from finetune.data.few_shot import choose_few_shot, load_few_shot, save_few_shot
from finetune.data.labelled_set import LabelledSet, label_recordings
from finetune.data.samples import SampledTrack
from finetune.data.splits import find_split
from finetune.label_space.label_space import read_label_space
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints
from launch.distributed.process_group import Processes, compute_on_rank0
from launch.errors import ConfigError
from launch.rng import sample_rng
from video.failure_log import FailureLog
from video.labels.align import LabelTrack
from video.labels.segments import MISSING
from video.open_source import OpenedSource, open_paths, open_source
from video.progress import show_progress
from video.recording import Recording

FAILURE_LOG_FILE = "unreadable.jsonl"
FEW_FILE = "few.csv"


class LabelledSets(NamedTuple):
    """Samples by part, all sets together, and what there is to say of them."""

    classes: tuple[str, ...]
    parts: dict[str, list[SampledTrack]]
    lines: list[str]

    def recordings(self, part: str) -> list[Recording]:
        """Those of a part."""
        return [each.track.recording for each in self.parts.get(part, ())]

    @property
    def checksum(self) -> str:
        """Of which samples there are and how each is labelled."""
        sha256 = hashlib.sha256(repr(self.classes).encode())
        for part, sampled in self.parts.items():
            for each in sampled:
                track = each.track
                recording = track.recording
                sha256.update(f"{part} {recording.content or recording.path}".encode())
                arrays = (
                    track.times,
                    track.labels,
                    np.array([]) if track.ends is None else track.ends,
                )
                sha256.update(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
        return sha256.hexdigest()


def open_datasets(config: FinetuneConfig, folder: Path, processes: Processes) -> LabelledSets:
    """Raises LabelError, SplitError, SpaceError, ManifestError, TooManyUnreadable; those on every
    process."""
    is_new = not complete_checkpoints(folder / CHECKPOINTS_FOLDER)
    sets = compute_on_rank0(processes, lambda: _open(config, folder, is_new))
    if "train" not in sets.parts:
        raise ConfigError("data: the split has no train; there is nothing to learn from")
    for part, sampled in sets.parts.items():
        _require_classes(part, sampled, sets.classes)
    return sets


def _require_classes(part: str, sampled: Sequence[SampledTrack], classes: tuple[str, ...]) -> None:
    """Raises ConfigError where a part's labels say nothing."""
    known = np.concatenate([each.track.labels[each.track.known] for each in sampled])
    if not len(known):
        raise ConfigError(f"data: {part} has no labelled sample; label it, or leave it out")
    if known.ndim == 1 and len(np.unique(known)) < 2:
        raise ConfigError(
            f"data: all labels of {part} are {classes[int(known[0])]!r}; with one class there is "
            "nothing to tell apart, give it recordings that have more"
        )


def _open(config: FinetuneConfig, folder: Path, is_new: bool) -> LabelledSets:
    data, lines = config.data, list[str]()
    failure_log_file = folder / FAILURE_LOG_FILE if is_new else None
    if is_new:
        for left in (FAILURE_LOG_FILE, FEW_FILE):  # of a start that came to nothing
            (folder / left).unlink(missing_ok=True)
    failure_log = FailureLog(failure_log_file, data.max_unreadable)
    space = read_label_space(data.label_space) if data.label_space else None
    # refuses a set that the space has not, before recordings are opened
    merged = {name: space.to_merged(name) for name in data.named} if space else {}
    labelled: dict[str, LabelledSet] = {}
    for name, each in data.named.items():
        entries = read_parts(each.clips) if isinstance(each, ClipsConfig) else {}
        opened = _open_recordings(each, entries, data)
        failure_log.add(
            "recordings", len(opened.recordings) + len(opened.failures), opened.failures
        )
        lines += [f"warning: {failure}" for failure in opened.failures]
        classes = space.names[name] if space else each.classes
        labelled[name] = _label(each, opened.recordings, entries, classes)
        lines += [f"{name + ': ' if name else ''}{line}" for line in labelled[name].lines()]
    if data.shots_per_class is not None:
        labelled = {"": _few(config, labelled, folder)}
    parts: dict[str, list[SampledTrack]] = {}
    for name, found in labelled.items():
        for part, tracks in found.tracks.items():
            known = [_renamed(track, merged.get(name)) for track in tracks]
            sampling = data.named[name].sampling
            parts.setdefault(part, []).extend(SampledTrack(track, sampling) for track in known)
    one = next(iter(labelled.values()))
    return LabelledSets(space.classes if space else one.classes, parts, lines)


def _open_recordings(
    each: DatasetConfig, entries: Entries, data: FinetuneDataConfig
) -> OpenedSource:
    settings = (data.reader, data.folder_fps, data.read_timeout, show_progress)
    if each.source is not None:
        return open_source(Path(each.source), *settings)
    return open_paths(paths_of(chain.from_iterable(entries.values())), *settings)


def _label(
    each: DatasetConfig,
    recordings: Sequence[Recording],
    entries: Entries,
    classes: Sequence[str] | None,
) -> LabelledSet:
    split = find_split(each.split) if each.split else None
    if isinstance(each, ClipsConfig):
        return label_clips(recordings, entries, classes, each.allow_shared_recordings, split)
    return label_recordings(
        recordings,
        each.labels,
        split,
        each.rate,
        each.label_fps,
        classes,
        each.multi_label,
        each.category,
    )


def _few(config: FinetuneConfig, labelled: dict[str, LabelledSet], folder: Path) -> LabelledSet:
    """The same few samples whenever the run goes on: they are written down."""
    assert config.data.shots_per_class is not None
    whole = labelled[""]
    file = folder / FEW_FILE
    if file.is_file():
        return load_few_shot(file, whole)
    chosen = choose_few_shot(
        whole, config.data.shots_per_class, sample_rng(config.seed, 0, 0, "few")
    )
    save_few_shot(file, chosen)
    return chosen


def _renamed(track: LabelTrack, merged: Any) -> LabelTrack:
    """A track with the labels of the merged space; each sample has one."""
    if merged is None:
        return track
    labels = np.where(track.labels == MISSING, MISSING, merged[track.labels])
    return track._replace(labels=labels)
