"""Labelled samples as training clips: their frames, crops and labels."""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from encoder.config import EncoderConfig
from finetune.augment.config import ClipAugmentation
from finetune.augment.transforms import augment_clip, decoded_size
from finetune.data.interval import Interval, Sampling
from video.clip_reader import TryContext, decode, first_readable
from video.labels.align import LabelTrack
from video.labels.segments import MISSING
from video.recording import Recording, UnreadableVideo


class SampledTrack(NamedTuple):
    """The labels of a recording, and the sampling of frames for each of them."""

    track: LabelTrack
    sampling: Sampling

    def interval(self, index: int) -> Interval:
        """The timestamp or interval of a label."""
        track = self.track
        recording = track.recording
        until = None if track.ends is None else float(track.ends[index])
        last = max(0.0, recording.seconds - 1 / recording.fps)
        return Interval(float(track.times[index]), until, recording.fps, last)


class LabelledClip(NamedTuple):
    """The clips of one sample, made from one decoded clip; none if all tries to read failed."""

    clips: UInt8[Tensor, "r s t h w c"]  # r: copies, s: segments
    label: Int64[np.ndarray, "*k"]
    path: str
    failures: tuple[UnreadableVideo, ...]  # of the tries before the one that succeeded


class SampleLocation(NamedTuple):
    """A sample, and the times of its frames."""

    track: int  # its index among the tracks
    sample: int  # its index in the track
    times: Float[np.ndarray, "s t"]


class LabelledSamples:
    """The samples of recordings that have a label, by position, and the clips of each.

    `encoder` determines the size and number of frames. Each read gives `copies` clips with
    different augmentations.
    """

    def __init__(
        self,
        sampled: Sequence[SampledTrack],
        encoder: EncoderConfig,
        augmentation: ClipAugmentation,
        copies: int = 1,
    ) -> None:
        self._sampled, self._encoder = sampled, encoder
        self._augmentation, self._copies = augmentation, copies
        positions = [
            (track, index)
            for track, each in enumerate(sampled)
            for index in np.flatnonzero(each.track.known).tolist()
        ]
        self._positions = np.array(positions, dtype=np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of a clip."""
        return self._encoder.image_size

    @property
    def clip_shape(self) -> tuple[int, ...]:
        """[s t h w c], without s where it is 1; all recordings have the same number of segments."""
        segments, encoder = self._sampled[0].sampling.segments, self._encoder
        shape = (encoder.num_frames, *encoder.image_size, 3)
        return (segments, *shape) if segments > 1 else shape

    def counts(self, classes: int) -> Int64[Tensor, " k"]:
        """Labelled samples of each class."""
        counts = np.zeros(classes, dtype=np.int64)
        for each in self._sampled:
            labels = each.track.labels
            if labels.ndim == 2:
                counts += (labels == 1).sum(0)
            else:
                counts += np.bincount(labels[labels != MISSING], minlength=classes)
        return torch.from_numpy(counts)

    def labels(self) -> list[Int64[Tensor, " n *k"]]:
        """The labels of the samples of each recording."""
        tracks = [each.track for each in self._sampled]
        return [torch.from_numpy(np.asarray(each.labels[each.known])) for each in tracks]

    def label(self, position: int) -> Int64[Tensor, " *k"]:
        """The label of the sample at a position."""
        track, index = self._positions[position].tolist()
        return torch.from_numpy(np.asarray(self._sampled[track].track.labels[index]))

    def read(
        self,
        position: int,
        rng: Callable[[int, str], np.random.Generator],
        hung: Collection[int] = (),
        watched: TryContext = lambda _: nullcontext(),
        out: UInt8[Tensor, "r f h w c"] | None = None,
    ) -> LabelledClip:
        """Decodes and augments the sample at a position.

        `rng(sample, stream)` returns the generator of a sample in this epoch. A sample that cannot
        be read is reported and replaced by another one, with the label of that one, drawn by the
        generator of the position. The tries in `hung` are skipped; each other one runs inside
        `watched(try)`. The clips are written into `out`, if given: the frames of all segments.
        """
        clip_rng = rng(position, "clip")
        location, frames, failures = first_readable(
            self._locate(position, clip_rng),
            lambda: self._locate(int(clip_rng.integers(len(self))), clip_rng),
            self._recording,
            self._decode,
            hung,
            watched,
        )
        label = np.asarray(self._sampled[location.track].track.labels[location.sample])
        path = self._recording(location).path
        if frames is None:
            shape = (*location.times.shape, *self._encoder.image_size, 3)
            no_clips = torch.empty(0, *shape, dtype=torch.uint8)
            return LabelledClip(no_clips, label, path, failures)
        if out is None:
            size = (len(frames), *self._encoder.image_size, 3)
            out = torch.empty(self._copies, *size, dtype=torch.uint8)
        for copy, clip in enumerate(out):
            clip.copy_(self._augment(frames, rng(position * self._copies + copy, "crop")))
        clips = rearrange(out, "r (s t) h w c -> r s t h w c", s=len(location.times))
        return LabelledClip(clips, label, path, failures)

    def _locate(self, position: int, rng: np.random.Generator) -> SampleLocation:
        track, index = self._positions[position].tolist()
        sampled = self._sampled[track]
        interval, frames = sampled.interval(index), self._encoder.num_frames
        times = sampled.sampling.training_times(interval, frames, rng)
        return SampleLocation(track, index, times)

    def _recording(self, location: SampleLocation) -> Recording:
        return self._sampled[location.track].track.recording

    def _decode(self, location: SampleLocation) -> UInt8[Tensor, "t h w c"]:
        recording = self._recording(location)
        size = decoded_size(
            self._augmentation, recording.height, recording.width, *self._encoder.image_size
        )
        return decode(recording, location.times.ravel().tolist(), size)

    def _augment(
        self, frames: UInt8[Tensor, "t h w c"], rng: np.random.Generator
    ) -> UInt8[Tensor, "t y x c"]:
        """The same augmentation for all frames."""
        encoder = self._encoder
        return augment_clip(
            frames, self._augmentation, *encoder.image_size, rng, encoder.mean, encoder.std
        )
