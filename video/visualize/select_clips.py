"""Which clips are shown: of which recordings, and where in them."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from video.clip_sampler import ClipSampler, SamplingPlan
from video.clip_spans import clip_seconds, clip_spans
from video.config import Sampling
from video.eval_crop import EvalCrop
from video.open_source import open_source
from video.progress import show_progress
from video.recording import Recording, UnreadableVideo

SILENCE = 120.0  # seconds, after which opening a recording counts as failed


class NoSuchClip(ValueError):
    """What is asked for is not there: the option, its value and the cure."""

    exit_status = 2


class ClipSelection(NamedTuple):
    """What the user says of the clips to show."""

    sources: Sequence[Path]  # recordings, folders of them, manifests, lists
    recordings: int | None  # so many at random; None: all
    at: float | None  # seconds, where clips begin; None: anywhere
    seed: int
    folder_fps: float


def selection_from(options: argparse.Namespace) -> ClipSelection:
    """Of the words that `arguments.add_choice` has read."""
    return ClipSelection(
        options.videos, options.recordings, options.at, options.seed, options.folder_fps
    )


class SelectedClip(NamedTuple):
    """A clip as a network sees it, from the middle of the field of view."""

    recording: Recording
    name: str  # that no other clip of the call has
    times: tuple[float, ...]  # seconds, of its frames
    clip: UInt8[Tensor, "t h w c"]


class SelectedRecordings(NamedTuple):
    recordings: list[Recording]
    failures: list[UnreadableVideo]  # in folders and lists, where others are left


def select_recordings(choice: ClipSelection) -> SelectedRecordings:
    """Opens the sources, and chooses by the seed where fewer are wanted than there are.

    Raises UnreadableVideo for a recording that is named itself, NoSuchClip, ManifestError.
    """
    found, failures = [], list[UnreadableVideo]()
    for source in choice.sources:
        if not source.exists():
            raise NoSuchClip(f"{source}: no such file or folder")
        opened = open_source(source, "pyav", choice.folder_fps, SILENCE, show_progress)
        if opened.failures and not opened.recordings:
            raise opened.failures[0]
        found += [replace(recording, source="") for recording in opened.recordings]
        failures += opened.failures
    if choice.recordings is None:
        return SelectedRecordings(found, failures)
    if choice.recordings > len(found):
        raise NoSuchClip(f"--recordings {choice.recordings}: there are {len(found)}; give fewer")
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
    """A clip of each that has room for one and can be read; it is told of the others.

    Raises NoSuchClip and UnreadableVideo where there is none but one, or none is left.
    """
    shown, left_out = 0, list[NoSuchClip | UnreadableVideo]()
    for number, (recording, name) in enumerate(
        zip(recordings, unique_names(recordings), strict=True)
    ):
        try:
            times = _times(recording, choice, sampling, frames, number)
            clip = EvalCrop(size).clip(recording, times)
        except (NoSuchClip, UnreadableVideo) as failure:
            left_out.append(failure)
            continue
        yield SelectedClip(recording, name, times, clip)
        shown += 1
    if left_out and not shown:
        raise left_out[0]
    for each in left_out:
        print(f"left out: {each}", flush=True)


def unique_names(recordings: Sequence[Recording]) -> list[str]:
    """For files of pictures; a further recording of the same name gets a number."""
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
    needed = clip_seconds(recording, frames, sampling)
    faster = f"a clip is {needed:.2f} s long; give a higher --frame-rate"
    if choice.at is None:
        if not clip_spans(recording, frames, sampling):
            shown = "what it shows" if recording.seconds > needed else "it"
            raise NoSuchClip(f"{recording.path}: {shown} is {recording.seconds:.2f} s, {faster}")
        sampler = ClipSampler([recording], frames, {"": SamplingPlan(sampling)})
        rng = np.random.default_rng([choice.seed, number])
        return sampler.draw(int(rng.integers(sampler.reads_per_epoch)), rng).times
    latest = recording.seconds - needed
    if not 0 <= choice.at <= latest + 0.5 / recording.fps:
        where = f"give 0 to {latest:.2f}" if latest >= 0 else faster
        raise NoSuchClip(
            f"--at {choice.at:g}: {recording.path} ends at {recording.seconds:.2f} s, {where}"
        )
    step = sampling.step_seconds(recording.fps)
    return tuple(choice.at + i * step for i in range(frames))
