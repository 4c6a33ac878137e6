"""The labelled samples of a run: rank 0 opens the recordings and joins the labels."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from finetune.config import FinetuneConfig
from finetune.data.few_shot import choose_few_shot, load_few_shot, save_few_shot
from finetune.data.frame_labels import frame_labels
from finetune.data.labelled_set import LabelledSet
from finetune.data.leaks import require_separate_parts
from finetune.data.recording_opener import RecordingOpener
from finetune.data.samples import SampledTrack
from finetune.data.slow_samples import slow_samples
from finetune.data.sparse_labels import sparse_labels
from finetune.label_space.label_space import read_label_space
from launch.checkpoint.store import CHECKPOINTS_FOLDER, complete_checkpoints
from launch.distributed.process_group import Processes, compute_on_rank0
from launch.errors import ConfigError
from launch.rng import sample_rng
from video.failure_log import FailureLog
from video.labels.align import LabelTrack
from video.labels.segments import MISSING
from video.manifest import naming_key
from video.open_source import OpenedSource
from video.recording import Recording, WantedStream

FAILURE_LOG_FILE = "unreadable.jsonl"
FEW_SHOT_FILE = "few.csv"


class LabelledSets(NamedTuple):
    """The samples of all sets together by part, and the lines that report on them."""

    classes: tuple[str, ...]
    parts: dict[str, list[SampledTrack]]
    lines: list[str]

    def recordings(self, part: str) -> list[Recording]:
        """The recordings of a part."""
        return [each.track.recording for each in self.parts.get(part, ())]

    @property
    def checksum(self) -> str:
        """SHA-256 of the classes and of all samples with their labels."""
        sha256 = hashlib.sha256(repr(self.classes).encode())
        for part, sampled in self.parts.items():
            for each in sampled:
                track = each.track
                recording = track.recording
                sha256.update(f"{part} {recording.content or recording.path}".encode())
                until = np.array([]) if track.ends is None else track.ends
                arrays = (track.times, track.labels, until)
                sha256.update(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
        return sha256.hexdigest()


def open_datasets(config: FinetuneConfig, folder: Path, processes: Processes) -> LabelledSets:
    """Opens the recordings of all sets and joins their labels.

    Raises LabelError, SplitError, LabelSpaceError, ManifestError and TooManyUnreadable, on every
    process.
    """
    is_new = not complete_checkpoints(folder / CHECKPOINTS_FOLDER)
    sets = compute_on_rank0(processes, lambda: _open(config, folder, is_new))
    if "train" not in sets.parts:
        raise ConfigError("data: the split has no train part; add one")
    for part, sampled in sets.parts.items():
        _require_two_classes(part, sampled, sets.classes)
    return sets


def _require_two_classes(
    part: str, sampled: Sequence[SampledTrack], classes: tuple[str, ...]
) -> None:
    """Raises ConfigError if a part has no labels, or labels of a single class only."""
    known = np.concatenate([each.track.labels[each.track.known] for each in sampled])
    if not len(known):
        raise ConfigError(f"data: {part} has no labelled sample; label it, or remove the part")
    if known.ndim == 1 and len(np.unique(known)) < 2:
        raise ConfigError(
            f"data: all labels of {part} are {classes[int(known[0])]!r}; a classifier needs two "
            "classes, add recordings that have others"
        )


def _open(config: FinetuneConfig, folder: Path, is_new: bool) -> LabelledSets:
    data, lines = config.data, list[str]()
    if is_new:
        for leftover in (FAILURE_LOG_FILE, FEW_SHOT_FILE):  # of a start without a checkpoint
            (folder / leftover).unlink(missing_ok=True)
    failure_log = FailureLog(folder / FAILURE_LOG_FILE if is_new else None, data.max_unreadable)

    def report(opened: OpenedSource) -> None:
        tries = len(opened.recordings) + len(opened.failures)
        failure_log.add("recordings", tries, opened.failures)
        lines.extend(f"warning: {failure}" for failure in opened.failures)

    stream = WantedStream(data.stream)
    opener = RecordingOpener(data.reader, data.folder_fps, data.read_timeout, report, stream)
    space = read_label_space(data.label_space) if data.label_space else None
    # a set that the label space does not have is refused before recordings are opened
    merged = {name: space.to_merged(name) for name in data.named} if space else {}
    labelled: dict[str, LabelledSet] = {}
    for name, each in data.named.items():
        with naming_key(data.key_of(name, "source")):
            labelled[name] = each.load(opener, space.names[name] if space else each.classes)
        reported = [
            *labelled[name].lines(),
            *sparse_labels(labelled[name], data.key_of(name, "label_fps")),
            *frame_labels(labelled[name], data.key_of(name, "label_fps")),
            *slow_samples(labelled[name], each),
        ]
        lines += [f"{name + ': ' if name else ''}{line}" for line in reported]
    if data.shots_per_class is not None:
        labelled = {"": _few_shot(config, labelled[""], data.shots_per_class, folder)}
    of_parts = {name: each.recordings for name, each in labelled.items()}
    lines += require_separate_parts(of_parts, data.allow_similar)
    parts: dict[str, list[SampledTrack]] = {}
    for name, labelled_set in labelled.items():
        sampling = data.named[name].sampling
        for part, tracks in labelled_set.tracks.items():
            if name in merged:
                tracks = [_with_merged_labels(track, merged[name]) for track in tracks]
            parts.setdefault(part, []).extend(SampledTrack(track, sampling) for track in tracks)
    classes = space.classes if space else next(iter(labelled.values())).classes
    return LabelledSets(classes, parts, lines)


def _few_shot(
    config: FinetuneConfig, labelled: LabelledSet, per_class: int, folder: Path
) -> LabelledSet:
    """A few samples of each class; they are saved, so that a resumed run has the same ones."""
    file = folder / FEW_SHOT_FILE
    if file.is_file():
        return load_few_shot(file, labelled)
    chosen = choose_few_shot(labelled, per_class, sample_rng(config.seed, 0, 0, "few"))
    save_few_shot(file, chosen)
    return chosen


def _with_merged_labels(track: LabelTrack, merged: Int64[np.ndarray, " k"]) -> LabelTrack:
    """The track with the labels of the label space, for sets with one label per sample."""
    labels = np.where(track.labels == MISSING, MISSING, merged[track.labels])
    return track._replace(labels=labels)
