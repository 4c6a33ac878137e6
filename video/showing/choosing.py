"""Which clips are shown: of which recordings, and where in them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from video.config import Sampling
from video.fitting import Fitting
from video.opening import open_source
from video.progress import show_progress
from video.recording import Recording, UnreadableVideo
from video.sampling import ClipSampler, Plan
from video.spans import clip_seconds, clip_spans

SILENCE = 120.0  # seconds, after which opening a recording counts as failed


class NoSuchClip(ValueError):
    """What is asked for is not there: the option, its value and the cure."""

    exit_status = 2


class Choice(NamedTuple):
    """What the user says of the clips to show."""

    sources: Sequence[Path]  # recordings, folders of them, manifests, lists
    recordings: int | None  # so many at random; None: all
    at: float | None  # seconds, where clips begin; None: anywhere
    seed: int
    folder_fps: float


class Shown(NamedTuple):
    """A clip as a network sees it, from the middle of the field of view."""

    recording: Recording
    times: tuple[float, ...]  # seconds, of its frames
    clip: UInt8[Tensor, "t h w c"]

    @property
    def name(self) -> str:
        return Path(self.recording.path).stem


class Found(NamedTuple):
    recordings: list[Recording]
    failures: list[UnreadableVideo]  # in folders and lists, where others are left


def find_chosen(choice: Choice) -> Found:
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
        return Found(found, failures)
    if choice.recordings > len(found):
        raise NoSuchClip(f"--recordings {choice.recordings}: there are {len(found)}; give fewer")
    rng = np.random.default_rng(choice.seed)
    chosen = sorted(rng.choice(len(found), choice.recordings, replace=False).tolist())
    return Found([found[i] for i in chosen], failures)


def read_clips(
    recordings: Sequence[Recording], choice: Choice, sampling: Sampling, frames: int,
    size: tuple[int, int],
) -> Iterator[Shown]:  # fmt: skip
    """A clip of each. Raises NoSuchClip where one has no room for it, and UnreadableVideo."""
    for number, recording in enumerate(recordings):
        times = _times(recording, choice, sampling, frames, number)
        found, failures = Fitting(size).read(recording, sorted(set(times)))
        if failures:
            raise failures[0]
        pictures = [found[time] for time in times]
        yield Shown(recording, times, _stacked(pictures))


def _times(
    recording: Recording, choice: Choice, sampling: Sampling, frames: int, number: int
) -> tuple[float, ...]:
    needed = clip_seconds(recording, frames, sampling)
    faster = f"a clip is {needed:.2f} s long; give a higher --frame-rate"
    if choice.at is None:
        if not clip_spans(recording, frames, sampling):
            shown = "what it shows" if recording.seconds > needed else "it"
            raise NoSuchClip(f"{recording.path}: {shown} is {recording.seconds:.2f} s, {faster}")
        sampler = ClipSampler([recording], frames, {"": Plan(sampling)})
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


def _stacked(pictures: Sequence[Tensor | None]) -> UInt8[Tensor, "t h w c"]:
    return torch.stack([picture[0] for picture in pictures if picture is not None])
