"""Selects the clips to draw: the recordings, and the positions in them."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import FrameInterval, NoClip, clip_seconds, frame_times, why_no_clip
from video.config import Sampling
from video.eval_crop import EvalCrop
from video.open_source import open_source
from video.progress import show_progress
from video.recording import LARGEST, Recording, UnreadableVideo, WantedStream

TIMEOUT = 120.0  # seconds without progress after which opening a recording fails


class NoSuchClip(ValueError):
    """The requested clip does not exist; names the option, its value and the cure."""

    exit_status = 2


class ClipSelection(NamedTuple):
    """The user's choice of clips."""

    sources: Sequence[Path]  # recordings, folders of them, manifests, lists
    recordings: int | None  # number of random recordings; None: all
    at: float | None  # seconds, start of the clips; None: random
    seed: int
    folder_fps: float
    stream: WantedStream = LARGEST


def selection_from(options: argparse.Namespace) -> ClipSelection:
    """The choice in the options of `cli_args.add_clip_arguments`."""
    return ClipSelection(
        options.videos,
        options.recordings,
        options.at,
        options.seed,
        options.folder_fps,
        WantedStream(options.stream),
    )


class SelectedClip(NamedTuple):
    """A clip as a network sees it, cropped at the centre of the field of view."""

    recording: Recording
    name: str  # unique among the clips of a call
    times: tuple[float, ...]  # seconds, of its frames
    clip: UInt8[Tensor, "t h w c"]


class SelectedRecordings(NamedTuple):
    recordings: list[Recording]
    failures: list[UnreadableVideo]  # in folders and lists with other recordings


def select_recordings(choice: ClipSelection) -> SelectedRecordings:
    """Opens the sources, and draws a random subset if the user wants fewer recordings.

    Raises UnreadableVideo for a source of which nothing is readable, NoSuchClip, ManifestError.
    """
    found, failures = [], list[UnreadableVideo]()
    for source in choice.sources:
        if not source.exists():
            raise NoSuchClip(f"{source}: no such file or folder")
        opened = open_source(
            source, "pyav", choice.folder_fps, TIMEOUT, show_progress, choice.stream
        )
        if opened.failures and not opened.recordings:
            raise opened.failures[0]
        found += [replace(recording, source="") for recording in opened.recordings]
        failures += opened.failures
    if choice.recordings is None:
        return SelectedRecordings(found, failures)
    if choice.recordings > len(found):
        raise NoSuchClip(
            f"--recordings {choice.recordings}: there are only {len(found)}; give a smaller number"
        )
    rng = np.random.default_rng(choice.seed)
    chosen = sorted(rng.choice(len(found), choice.recordings, replace=False).tolist())
    return SelectedRecordings([found[i] for i in chosen], failures)


def read_selected_clips(
    recordings: Sequence[Recording],
    choice: ClipSelection,
    sampling: Sampling,
    frames: int,
    size: tuple[int, int],
) -> Iterator[SelectedClip]:
    """A clip of each recording that is long enough and readable; the others are reported.

    Raises the first NoSuchClip or UnreadableVideo if no recording has a clip.
    """
    count, skipped = 0, list[NoSuchClip | UnreadableVideo]()
    for number, (recording, name) in enumerate(
        zip(recordings, unique_names(recordings), strict=True)
    ):
        try:
            times = _times(recording, choice, sampling, frames, number)
            clip = EvalCrop(size).clip(recording, times)
        except (NoSuchClip, UnreadableVideo) as failure:
            skipped.append(failure)
            continue
        yield SelectedClip(recording, name, times, clip)
        count += 1
    if skipped and not count:
        raise skipped[0]
    for each in skipped:
        print(f"left out: {each}", flush=True)


def without_clip(path: str, no_clip: NoClip) -> UnreadableVideo:
    """The error of a recording that has no clip, with the options that change it."""
    cure = "give --short-videos clamp or loop, or a higher --frame-rate"
    if no_clip.is_blank:
        cure = "choose another recording, or give the file itself instead of a manifest"
    return UnreadableVideo(path, f"{no_clip.reason}; {cure}")


def unique_names(recordings: Sequence[Recording]) -> list[str]:
    """File names for the recordings; repeated names get a number."""
    stems = [Path(recording.path).stem for recording in recordings]
    names: list[str] = []
    for stem in stems:
        name, number = stem, 1
        while name in names or (number > 1 and name in stems):
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
    return names


def _times(
    recording: Recording, choice: ClipSelection, sampling: Sampling, frames: int, number: int
) -> tuple[float, ...]:
    no_clip = why_no_clip(recording, frames, sampling)
    if choice.at is None:
        if no_clip is not None:
            raise without_clip(recording.path, no_clip)
        sampler = ClipSampler([recording], frames, {"": SamplingPlan(sampling)})
        rng = np.random.default_rng([choice.seed, number])
        return sampler.draw(int(rng.integers(sampler.reads_per_epoch)), rng).times
    latest = recording.seconds - clip_seconds(recording, frames, sampling)
    if latest < 0:
        if no_clip is not None:
            raise without_clip(recording.path, no_clip)
        latest = recording.seconds - 1 / recording.fps  # a frame that is there, then repeats
    if not 0 <= choice.at <= latest + 0.5 / recording.fps:
        raise NoSuchClip(
            f"--at {choice.at:g}: {recording.path} ends at {recording.seconds:.2f} s; give 0 to "
            f"{latest:.2f}"
        )
    step = sampling.step_seconds(recording.fps)
    whole = FrameInterval(0.0, 1, 1.0, recording.seconds)
    return frame_times(whole, choice.at, frames, step, recording, sampling.short_videos)
