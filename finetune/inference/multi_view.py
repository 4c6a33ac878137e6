"""Test views of samples, read in batches in which each frame is decoded once."""

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

# Samples of a batch. Neighbouring timestamps share frames: with a window of one minute and one
# timestamp per second, 128 of them need 188 distinct frames, which are 28 MB at 224 x 224.
TIMESTAMPS_PER_BATCH, CLIPS_PER_BATCH = 128, 4


class SampleBatch(NamedTuple):
    """Consecutive samples of one recording that are read together."""

    track: int  # index of the recording
    first: int
    stop: int


class SampleViews(NamedTuple):
    """The frames of a batch, and which of them each view of each sample consists of."""

    batch: int  # its index
    frames: UInt8[Tensor, "u h w c"]
    frame_index: Int64[Tensor, "m v s t"]
    readable: Bool[np.ndarray, " m"]  # False where a frame of the sample is unreadable
    failures: tuple[UnreadableVideo, ...]

    def clips(self, first: int, stop: int) -> UInt8[Tensor, " b *s t h w c"]:
        """A range of all views of all samples, in their order."""
        chosen = self.frame_index.flatten(0, 1)[first:stop]
        return self.frames[chosen if chosen.shape[1] > 1 else chosen.squeeze(1)]


class MultiViewReader(NamedTuple):
    """Reads `clips` views in time times the crops of `eval_crop`, of `num_frames` frames each."""

    eval_crop: EvalCrop
    num_frames: int
    clips: int = 1

    def num_views(self, sampled: SampledTrack) -> int:
        """Views of each sample of a track."""
        return len(self._times(sampled, 0)) * self.eval_crop.crops

    def _times(self, sampled: SampledTrack, sample: int) -> Float[np.ndarray, "v s t"]:
        """Rounded, so that a frame has the same time in every clip."""
        interval = sampled.interval(sample)
        return np.round(sampled.sampling.test_times(interval, self.num_frames, self.clips), 6)

    def read(
        self, sampled: SampledTrack, batch: SampleBatch, index: int, timed_out: bool = False
    ) -> SampleViews:
        """Reads the views of a batch; after a time-out all of them are unreadable."""
        requested = np.stack([self._times(sampled, i) for i in range(batch.first, batch.stop)])
        times, index_of_time = np.unique(requested, return_inverse=True)
        recording = sampled.track.recording
        if timed_out:
            by_time: dict[float, Tensor | None] = dict.fromkeys(times.tolist())
            failures: tuple[UnreadableVideo, ...] = (UnreadableVideo(recording.path, TIMED_OUT),)
        else:
            by_time, failures = self.eval_crop.read(recording, times.tolist())
        crops = self.eval_crop.crops
        black = torch.zeros(crops, *self.eval_crop.size, 3, dtype=torch.uint8)
        frames = torch.stack([black if f is None else f for f in by_time.values()], 1).flatten(0, 1)
        missing = np.array([frame is None for frame in by_time.values()])
        index_of_time = index_of_time.reshape(requested.shape)
        by_crop = [index_of_time + crop * len(times) for crop in range(crops)]
        views = torch.from_numpy(np.concatenate(by_crop, axis=1))
        readable = np.asarray(~missing[index_of_time].any(axis=(1, 2, 3)))
        return SampleViews(index, frames, views, readable, failures)


def sample_batches(sampled: Sequence[SampledTrack], labelled_only: bool) -> list[SampleBatch]:
    """All samples in their order, in batches; `labelled_only`: only batches with a label."""
    batches = []
    for index, each in enumerate(sampled):
        size = TIMESTAMPS_PER_BATCH if each.track.ends is None else CLIPS_PER_BATCH
        for first in range(0, len(each.track.times), size):
            stop = min(first + size, len(each.track.times))
            if not labelled_only or each.track.known[first:stop].any():
                batches.append(SampleBatch(index, first, stop))
    return batches


class SampleViewDataset(Dataset[SampleViews]):
    """Reads one batch in a worker of the data loader."""

    def __init__(
        self,
        sampled: Sequence[SampledTrack],
        batches: Sequence[SampleBatch],
        reader: MultiViewReader,
        timeout: ReadTimeout,
    ) -> None:
        self._sampled, self._batches = sampled, batches
        self._reader, self._timeout = reader, timeout

    def __getitem__(self, read: ReadIndex) -> SampleViews:
        batch = self._batches[read.position]
        timed_out = 0 in self._timeout.timed_out_tries(*read)
        with nullcontext() if timed_out else self._timeout.limit_tries(*read)(0):
            sampled = self._sampled[batch.track]
            return self._reader.read(sampled, batch, read.position, timed_out)


def read_views(
    sampled: Sequence[SampledTrack],
    batches: Sequence[SampleBatch],
    chosen: Sequence[int],
    reader: MultiViewReader,
    workers: int,
    read_timeout: float,
    processes: Processes,
) -> Iterator[SampleViews]:
    """The chosen batches, by index, in this order. A read that exceeds `read_timeout` seconds is
    abandoned, and all samples of its batch are unreadable."""
    timeout = ReadTimeout(workers, read_timeout)
    dataset = SampleViewDataset(sampled, batches, reader, timeout)

    def schedule(done: int) -> list[ReadIndex]:
        return [ReadIndex(0, index) for index in chosen[done:]]

    pins = processes.device.type == "cuda"
    return iterate_batches(dataset, schedule, workers, timeout.collect_timeouts, pins)
