"""Features of fixed probe clips during training, and their metrics."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from encoder.vit import VideoEncoder
from launch.distributed.process_group import (
    Processes,
    any_rank,
    compute_on_rank0,
    gather_objects,
)
from pretrain.config import PretrainConfig
from pretrain.monitoring.background_reader import BackgroundReader
from pretrain.monitoring.feature_metrics import feature_std, knn_probe, rankme
from pretrain.monitoring.probe_clips import ProbeClips, labelled_clips, training_clips
from pretrain.monitoring.read_clips import ClipShare
from pretrain.sources import Sources

BATCH = 8  # clips per forward pass
WAIT_SECONDS = 0.2  # for the reader, between two looks at signals


class ProbeShare(NamedTuple):
    """All probe clips, and those that this process has read and encodes."""

    clips: ProbeClips
    share: ClipShare


class FeatureProbe:
    """Chooses the probe clips and reads them in the background; the first evaluation waits."""

    def __init__(self, config: PretrainConfig, sources: Sources, processes: Processes) -> None:
        """Every process calls it. Raises LabelError and ManifestError."""
        probe, data = config.knn_probe, config.data
        if probe is None:
            self._clips = training_clips(config, sources)
        else:
            self._clips = compute_on_rank0(processes, lambda: labelled_clips(config, probe))
        self._every = config.log.features_every_steps
        self._share: ProbeShare | None = None
        self._reader = BackgroundReader(
            self._clips, processes, config.encoder.image_size, data.workers, data.read_timeout
        )

    def share(
        self, report: Callable[[str], None], is_stopping: Callable[[], bool]
    ) -> ProbeShare | None:
        """The clips, None if the run stops before they are read; every process calls it.

        The first call reports how many there are.
        """
        if self._share is None:
            while any_rank(not self._reader.is_ready(WAIT_SECONDS))[0]:
                if is_stopping():
                    return None
            self._share = ProbeShare(self._clips, self._reader.share())
            self._describe(self._share, report)
        return self._share

    def close(self) -> None:
        """Ends reading that is not finished."""
        self._reader.close()

    def _describe(self, probe: ProbeShare, report: Callable[[str], None]) -> None:
        share, clips = probe.share, probe.clips
        failures = [failure for part in gather_objects(share.failures) for failure in part]
        read = sum(gather_objects(len(share.numbers)))
        if unreadable := len(clips.times) - read:
            report(f"warning: {unreadable} probe clips are unreadable, the first: {failures[0]}")
        source = "labelled probe clips" if clips.labels else "clips of the training recordings"
        report(f"features: {read} {source}, evaluated every {self._every} steps")


@torch.no_grad()
def encode(
    encoder: VideoEncoder, probe: ProbeShare, device: torch.device, is_stopping: Callable[[], bool]
) -> dict[int, Tensor] | None:
    """Pooled features [d] of all clips by number, on every process; every process calls it.

    None if the run stops meanwhile; `is_stopping` returns the same on every process.
    """
    parts = []
    for part in probe.share.clips.split(BATCH):
        if is_stopping():
            return None
        parts.append(encoder(part.to(device)).pooled.float().cpu())
    own = dict(zip(probe.share.numbers, torch.cat(parts), strict=False))
    return {number: row for part in gather_objects(own) for number, row in part.items()}


def feature_metrics(
    probe: ProbeShare, features: dict[int, Tensor], config: PretrainConfig
) -> dict[str, float]:
    """Metrics by the names that they are logged under; empty where features are not finite.

    k-NN accuracy needs labels and clips of two recordings or more.
    """
    numbers = sorted(features)
    rows = torch.stack([features[number] for number in numbers])
    if len(rows) < 2 or not bool(torch.isfinite(rows).all()):
        return {}
    metrics = {"features/rankme": rankme(rows), "features/std": feature_std(rows)}
    labels, knn = probe.clips.labels, config.knn_probe
    recordings = torch.tensor([probe.clips.recording_index[number] for number in numbers])
    if labels is not None and knn is not None and len(recordings.unique()) > 1:
        result = knn_probe(
            rows,
            torch.tensor([labels[number] for number in numbers]),
            recordings,
            len(probe.clips.classes),
            knn.k,
            knn.temperature,
        )
        metrics |= {
            "probe/knn": result.accuracy,
            "probe/majority": result.majority,
            "probe/chance": result.chance,
        }
    return metrics
