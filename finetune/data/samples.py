"""Labelled samples as training clips: which frames, which crop, which label."""

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
from finetune.data.clip_sampling import ClipSampling, Interval
from finetune.data.windows import WindowSampling
from video.clip_reader import TryContext, decode, first_readable
from video.labels.align import LabelTrack
from video.labels.segments import MISSING
from video.recording import Recording, UnreadableVideo


class SampledTrack(NamedTuple):
    """The labels of a recording, and how the frames for each are chosen."""

    track: LabelTrack
    sampling: WindowSampling | ClipSampling

    def interval(self, number: int) -> Interval:
        """What a label is of."""
        track = self.track
        recording = track.recording
        until = None if track.ends is None else float(track.ends[number])
        last = max(0.0, recording.seconds - 1 / recording.fps)
        return Interval(float(track.times[number]), until, recording.fps, last)


class LabelledClip(NamedTuple):
    """The clips of one sample, cut from one decoding; none, where every try to read one failed."""

    clips: UInt8[Tensor, "r s t h w c"]  # r: copies, s: segments
    label: Int64[np.ndarray, "*k"]
    path: str
    failures: tuple[UnreadableVideo, ...]  # of the tries before the one that was read


class SampleLocation(NamedTuple):
    """A sample, and the times of its frames."""

    sampled: int
    number: int
    times: Float[np.ndarray, "s t"]


class LabelledSamples:
    """The labelled samples of some recordings, numbered, and the clips of each.

    A sample without a label is not among them. `encoder` is what the clips are for; each reading
    gives `copies` of them, differently augmented.
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
        places = [
            (number, sample)
            for number, each in enumerate(sampled)
            for sample in np.flatnonzero(each.track.known).tolist()
        ]
        self._places = np.array(places, dtype=np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._places)

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

    def read(
        self,
        position: int,
        rng: Callable[[int, str], np.random.Generator],
        hung: Collection[int] = (),
        watched: TryContext = lambda _: nullcontext(),
    ) -> LabelledClip:
        """`rng(sample, stream)` gives the randomness of a sample of this epoch.

        A sample whose frames cannot be read is reported and replaced by another one with its own
        label, drawn with the randomness of the position. Tries that are known to hang are not made
        again; each other one is made inside `watched(try)`.
        """
        drawing = rng(position, "clip")
        spot, frames, failures = first_readable(
            self._spot(position, drawing),
            lambda: self._spot(int(drawing.integers(len(self))), drawing),
            self._recording,
            self._decode,
            hung,
            watched,
        )
        label, path = self._sampled[spot.sampled].track.labels[spot.number], self._recording(spot)
        if frames is None:
            shape = (*spot.times.shape, *self._encoder.image_size, 3)
            nothing = torch.empty(0, *shape, dtype=torch.uint8)
            return LabelledClip(nothing, np.asarray(label), path.path, failures)
        samples = range(position * self._copies, (position + 1) * self._copies)
        clips = torch.stack([self._augment(frames, rng(sample, "crop")) for sample in samples])
        clips = rearrange(clips, "r (s t) h w c -> r s t h w c", s=len(spot.times))
        return LabelledClip(clips, np.asarray(label), path.path, failures)

    def _spot(self, place: int, rng: np.random.Generator) -> SampleLocation:
        sampled, number = self._places[place].tolist()
        chosen = self._sampled[sampled]
        times = chosen.sampling.training_times(
            chosen.interval(number), self._encoder.num_frames, rng
        )
        return SampleLocation(sampled, number, times)

    def _recording(self, spot: SampleLocation) -> Recording:
        return self._sampled[spot.sampled].track.recording

    def _decode(self, spot: SampleLocation) -> UInt8[Tensor, "t h w c"]:
        recording = self._recording(spot)
        size = decoded_size(
            self._augmentation, recording.height, recording.width, *self._encoder.image_size
        )
        return decode(recording, spot.times.ravel().tolist(), size)

    def _augment(
        self, frames: UInt8[Tensor, "t h w c"], rng: np.random.Generator
    ) -> UInt8[Tensor, "t y x c"]:
        """One draw for all frames."""
        encoder = self._encoder
        return augment_clip(
            frames, self._augmentation, *encoder.image_size, rng, encoder.mean, encoder.std
        )
