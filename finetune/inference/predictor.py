"""A network's answers to all samples of a part, shared among the processes of a run."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from finetune.data.samples import SampledTrack
from finetune.inference.multi_view import (
    MultiViewReader,
    SampleBatch,
    SampleViews,
    read_views,
    sample_batches,
)
from launch.distributed.process_group import Processes, gather_objects
from video.recording import UnreadableVideo

Forward = Callable[[Tensor], Float[Tensor, "b k"]]
ViewAverager = Callable[[Float[Tensor, "m v k"]], Float[Tensor, "m k"]]


class ModelOutputs(NamedTuple):
    """One row a sample, in the order of the recordings; the same on every process."""

    values: Float32[np.ndarray, "n k"]
    readable: Bool[np.ndarray, " n"]
    track: np.ndarray  # [n] which of the recordings
    sample: np.ndarray  # [n] which of its samples
    failures: tuple[UnreadableVideo, ...]


class BatchOutputs(NamedTuple):
    """The answers to one question."""

    batch: int
    values: Float32[np.ndarray, "m k"]
    readable: Bool[np.ndarray, " m"]
    failures: tuple[UnreadableVideo, ...]


class Predictor(NamedTuple):
    """How samples are read and given to a network."""

    reader: MultiViewReader
    batch_size: int  # clips of one forward pass
    workers: int
    read_timeout: float  # seconds
    report_progress: Callable[[int, int], None] = lambda done, wanted: (
        None
    )  # called before each question

    def predict_batches(
        self,
        forward: Forward,
        join: ViewAverager,
        sampled: Sequence[SampledTrack],
        questions: Sequence[SampleBatch],
        chosen: Sequence[int],
        processes: Processes,
    ) -> Iterator[BatchOutputs]:
        """Answers to the chosen questions, one after the other; `join` makes one of a sample's
        test_views."""
        views = read_views(
            sampled, questions, chosen, self.reader, self.workers, self.read_timeout, processes
        )
        self.report_progress(0, len(chosen))
        for done, seen in enumerate(views, start=1):
            self.report_progress(done, len(chosen))
            yield self._answer(forward, join, seen, processes.device)

    @torch.no_grad()
    def _answer(
        self, forward: Forward, join: ViewAverager, seen: SampleViews, device: torch.device
    ) -> BatchOutputs:
        samples, views = seen.frame_index.shape[:2]
        on_device = seen._replace(
            frames=seen.frames.to(device), frame_index=seen.frame_index.to(device)
        )
        firsts = range(0, samples * views, self.batch_size)
        parts = [forward(on_device.clips(i, i + self.batch_size)).float() for i in firsts]
        values = join(torch.cat(parts).unflatten(0, (samples, views))).cpu().numpy()
        return BatchOutputs(seen.batch, values, seen.readable, seen.failures)

    def _passes(self, sampled: Sequence[SampledTrack], question: SampleBatch) -> int:
        views = self.reader.num_views(sampled[question.track])
        return math.ceil((question.stop - question.first) * views / self.batch_size)

    def predict_all(
        self,
        forward: Forward,
        join: ViewAverager,
        sampled: Sequence[SampledTrack],
        processes: Processes,
        labelled_only: bool,
    ) -> ModelOutputs:
        """Answers to all samples, each question by one process; every process calls it.

        All make the same number of forward passes, as ZeRO stage 3 needs it.
        """
        questions = sample_batches(sampled, labelled_only)
        shares = [
            list(range(rank, len(questions), processes.world_size))
            for rank in range(processes.world_size)
        ]
        mine = self.predict_batches(
            forward, join, sampled, questions, shares[processes.rank], processes
        )
        answered = list(mine)
        passes = [sum(self._passes(sampled, questions[i]) for i in share) for share in shares]
        with torch.no_grad():
            for _ in range(max(passes) - passes[processes.rank]):
                forward(self._nothing(sampled[0], processes.device))
        gathered = [each for part in gather_objects(answered) for each in part]
        return _in_order(gathered, questions)

    def _nothing(self, sampled: SampledTrack, device: torch.device) -> Tensor:
        segments = getattr(sampled.sampling, "segments", 1)
        shape = (segments,) if segments > 1 else ()
        size = (self.reader.num_frames, *self.reader.eval_crop.size, 3)
        return torch.zeros(1, *shape, *size, dtype=torch.uint8, device=device)


def _in_order(answered: list[BatchOutputs], questions: Sequence[SampleBatch]) -> ModelOutputs:
    answered = sorted(answered, key=lambda each: each.batch)
    asked = [questions[each.batch] for each in answered]
    return ModelOutputs(
        np.concatenate([each.values for each in answered]),
        np.concatenate([each.readable for each in answered]),
        np.concatenate([np.full(q.stop - q.first, q.track) for q in asked]),
        np.concatenate([np.arange(q.first, q.stop) for q in asked]),
        tuple(failure for each in answered for failure in each.failures),
    )


def recording_names(sampled: Sequence[SampledTrack]) -> list[str]:
    """What the recordings are called in a file of predictions: without folder and ending, where
    that tells them apart."""
    paths = [each.track.recording.path for each in sampled]
    stems = {path: Path(path).stem for path in dict.fromkeys(paths)}
    counts = Counter(stems.values())
    return [stems[path] if counts[stems[path]] == 1 else path for path in paths]
