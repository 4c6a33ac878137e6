"""A model's outputs for all samples of a part, divided among the processes of a run."""

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
from launch.training.device_copy import to_device
from video.recording import UnreadableVideo

Forward = Callable[[Tensor], Float[Tensor, "b k"]]
ViewAverager = Callable[[Float[Tensor, "m v k"]], Float[Tensor, "m k"]]


class ModelOutputs(NamedTuple):
    """One row per sample, in the order of the recordings; the same on every process."""

    values: Float32[np.ndarray, "n k"]
    readable: Bool[np.ndarray, " n"]
    track: np.ndarray  # [n] index of the recording
    sample: np.ndarray  # [n] index of the sample in it
    failures: tuple[UnreadableVideo, ...]


class BatchOutputs(NamedTuple):
    """The outputs of one batch."""

    batch: int  # its index
    values: Float32[np.ndarray, "m k"]
    readable: Bool[np.ndarray, " m"]
    failures: tuple[UnreadableVideo, ...]


class Predictor(NamedTuple):
    """Reads samples and runs a model on them."""

    reader: MultiViewReader
    batch_size: int  # clips of one forward pass
    workers: int
    read_timeout: float  # seconds
    # called with the batches that are done and their total
    report_progress: Callable[[int, int], None] = lambda done, total: None
    precision: str = "auto"  # bf16, fp16 or fp32; auto: bf16 on a GPU that has it, else fp32

    def predict_batches(
        self,
        forward: Forward,
        average_views: ViewAverager,
        sampled: Sequence[SampledTrack],
        batches: Sequence[SampleBatch],
        chosen: Sequence[int],
        processes: Processes,
    ) -> Iterator[BatchOutputs]:
        """The outputs of the chosen batches, by index, in this order."""
        read = read_views(
            sampled, batches, chosen, self.reader, self.workers, self.read_timeout, processes
        )
        views = to_device(read, processes.device, ("frames", "frame_index"))
        self.report_progress(0, len(chosen))
        for done, batch in enumerate(views, start=1):
            self.report_progress(done, len(chosen))
            yield self._predict_batch(forward, average_views, batch, processes.device)

    @torch.no_grad()
    def _predict_batch(
        self,
        forward: Forward,
        average_views: ViewAverager,
        batch: SampleViews,
        device: torch.device,
    ) -> BatchOutputs:
        samples, views = batch.frame_index.shape[:2]
        dtype = autocast_dtype(self.precision, device)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            firsts = range(0, samples * views, self.batch_size)
            parts = [forward(batch.clips(i, i + self.batch_size)).float() for i in firsts]
        values = average_views(torch.cat(parts).unflatten(0, (samples, views))).cpu().numpy()
        return BatchOutputs(batch.batch, values, batch.readable, batch.failures)

    def _forward_passes(self, sampled: Sequence[SampledTrack], batch: SampleBatch) -> int:
        views = self.reader.num_views(sampled[batch.track])
        return math.ceil((batch.stop - batch.first) * views / self.batch_size)

    def predict_all(
        self,
        forward: Forward,
        average_views: ViewAverager,
        sampled: Sequence[SampledTrack],
        processes: Processes,
        labelled_only: bool,
    ) -> ModelOutputs:
        """The outputs of all samples, each batch computed by one process; every process calls it.

        All processes make the same number of forward passes, as ZeRO stage 3 requires.
        """
        batches = sample_batches(sampled, labelled_only)
        by_rank = [
            list(range(rank, len(batches), processes.world_size))
            for rank in range(processes.world_size)
        ]
        own = by_rank[processes.rank]
        outputs = list(
            self.predict_batches(forward, average_views, sampled, batches, own, processes)
        )
        passes = [
            sum(self._forward_passes(sampled, batches[i]) for i in indices) for indices in by_rank
        ]
        with torch.no_grad():
            for _ in range(max(passes) - passes[processes.rank]):
                forward(self._blank_clip(sampled[0], processes.device))
        gathered = [each for part in gather_objects(outputs) for each in part]
        return _concatenate(gathered, batches)

    def _blank_clip(self, sampled: SampledTrack, device: torch.device) -> Tensor:
        segments = getattr(sampled.sampling, "segments", 1)
        shape = (segments,) if segments > 1 else ()
        size = (self.reader.num_frames, *self.reader.eval_crop.size, 3)
        return torch.zeros(1, *shape, *size, dtype=torch.uint8, device=device)


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The type of matrix products under `torch.autocast`; None: that of the weights."""
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}[precision]


def _concatenate(outputs: list[BatchOutputs], batches: Sequence[SampleBatch]) -> ModelOutputs:
    ordered = sorted(outputs, key=lambda each: each.batch)
    spans = [batches[each.batch] for each in ordered]
    return ModelOutputs(
        np.concatenate([each.values for each in ordered]),
        np.concatenate([each.readable for each in ordered]),
        np.concatenate([np.full(span.stop - span.first, span.track) for span in spans]),
        np.concatenate([np.arange(span.first, span.stop) for span in spans]),
        tuple(failure for each in ordered for failure in each.failures),
    )


def recording_names(sampled: Sequence[SampledTrack]) -> list[str]:
    """Names of recordings in a file of predictions: without folder and suffix where unique."""
    paths = [each.track.recording.path for each in sampled]
    stems = {path: Path(path).stem for path in dict.fromkeys(paths)}
    counts = Counter(stems.values())
    return [stems[path] if counts[stems[path]] == 1 else path for path in paths]
