"""What of its samples a test looks at: read in stretches, each frame of a stretch once."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from finetune.data.samples import SampledTrack
from launch.distributed.process_group import Processes
from launch.training.dataloader import ReadIndex, iterate_batches
from video.clip_reader import TIMED_OUT
from video.eval_crop import EvalCrop
from video.read_timeout import ReadTimeout
from video.recording import UnreadableVideo

# Samples of a stretch. Moments share frames with those around them: at a window of a minute and a
# moment a second, 128 of them read 188 frames a clip's frame, and hold 28 MB at 224 x 224.
MOMENTS, CLIPS = 128, 4


class SampleBatch(NamedTuple):
    """Consecutive samples of one recording that are read together."""

    track: int
    first: int
    stop: int


class SampleViews(NamedTuple):
    """The frames of a question, and which of them each view of each sample consists of."""

    batch: int
    frames: UInt8[Tensor, "u h w c"]
    frame_index: Int64[Tensor, "m v s t"]  # of the frames
    readable: Bool[np.ndarray, " m"]  # False where a frame of the sample cannot be read
    failures: tuple[UnreadableVideo, ...]

    def clips(self, first: int, stop: int) -> UInt8[Tensor, " b *s t h w c"]:
        """Some of all views of all samples, in their order."""
        chosen = self.frame_index.flatten(0, 1)[first:stop]
        return self.frames[chosen if chosen.shape[1] > 1 else chosen.squeeze(1)]


class MultiViewReader(NamedTuple):
    """`segments` views in time times the crops of `fitting`, of clips of `frames` frames."""

    eval_crop: EvalCrop
    num_frames: int
    clips: int = 1

    def num_views(self, sampled: SampledTrack) -> int:
        """How many views each of its samples has."""
        return len(self._times(sampled, 0)) * self.eval_crop.crops

    def _times(self, sampled: SampledTrack, number: int) -> Float[np.ndarray, "v s t"]:
        """Rounded, so that one frame has one time in every clip."""
        stretch = sampled.interval(number)
        return np.round(sampled.sampling.test_times(stretch, self.num_frames, self.clips), 6)

    def read(
        self, sampled: SampledTrack, question: SampleBatch, number: int, timed_out: bool = False
    ) -> SampleViews:
        """Reads what a question wants; `hung`: it is known that this does not come to an end."""
        wanted = np.stack([self._times(sampled, i) for i in range(question.first, question.stop)])
        times, index = np.unique(wanted, return_inverse=True)
        recording = sampled.track.recording
        if timed_out:
            found: dict[float, Tensor | None] = dict.fromkeys(times.tolist())
            failures: tuple[UnreadableVideo, ...] = (UnreadableVideo(recording.path, TIMED_OUT),)
        else:
            found, failures = self.eval_crop.read(recording, times.tolist())
        crops = self.eval_crop.crops
        dark = torch.zeros(crops, *self.eval_crop.size, 3, dtype=torch.uint8)
        frames = torch.stack([dark if f is None else f for f in found.values()], 1).flatten(0, 1)
        missing = np.array([frame is None for frame in found.values()])
        index = index.reshape(wanted.shape)
        each = [index + crop * len(times) for crop in range(crops)]
        views = torch.from_numpy(np.concatenate(each, axis=1))
        readable = np.asarray(~missing[index].any(axis=(1, 2, 3)))
        return SampleViews(number, frames, views, readable, failures)


def sample_batches(sampled: Sequence[SampledTrack], labelled_only: bool) -> list[SampleBatch]:
    """All samples in their order, in stretches; or only those stretches with a label."""
    questions = []
    for number, each in enumerate(sampled):
        at_once = MOMENTS if each.track.until is None else CLIPS
        for first in range(0, len(each.track.times), at_once):
            stop = min(first + at_once, len(each.track.times))
            if not labelled_only or each.track.known[first:stop].any():
                questions.append(SampleBatch(number, first, stop))
    return questions


class SampleViewDataset(Dataset[SampleViews]):
    """Reads one question in a loader's worker."""

    def __init__(
        self,
        sampled: Sequence[SampledTrack],
        questions: Sequence[SampleBatch],
        viewing: MultiViewReader,
        timeout: ReadTimeout,
    ) -> None:
        self._sampled, self._questions = sampled, questions
        self._viewing, self._timeout = viewing, timeout

    def __getitem__(self, read: ReadIndex) -> SampleViews:
        question = self._questions[read.position]
        hung = 0 in self._timeout.timed_out_tries(*read)
        with nullcontext() if hung else self._timeout.limit_tries(*read)(0):
            sampled = self._sampled[question.track]
            return self._viewing.read(sampled, question, read.position, hung)


def read_views(
    sampled: Sequence[SampledTrack],
    questions: Sequence[SampleBatch],
    chosen: Sequence[int],
    viewing: MultiViewReader,
    workers: int,
    patience: float,
    processes: Processes,
) -> Iterator[SampleViews]:
    """The chosen questions, in this order; a reading that hangs for `patience` seconds is given
    up, and all its samples count as unreadable."""
    timeout = ReadTimeout(workers, patience)
    dataset = SampleViewDataset(sampled, questions, viewing, timeout)

    def schedule(done: int) -> list[list[ReadIndex]]:
        return [[ReadIndex(0, number)] for number in chosen[done:]]

    return iterate_batches(
        dataset, schedule, lambda items: items[0], workers, processes, timeout.collect_timeouts
    )
