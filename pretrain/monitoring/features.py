"""The features of the same clips, as a run trains."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from encoder.vit import VideoEncoder
from launch.distributed.process_group import Processes, compute_on_rank0, gather_objects
from pretrain.config import PretrainConfig
from pretrain.monitoring.background_reader import BackgroundReader
from pretrain.monitoring.feature_metrics import feature_std, knn_probe, rankme
from pretrain.monitoring.probe_clips import ProbeClips, labelled_clips, training_clips
from pretrain.monitoring.read_clips import ClipShare
from pretrain.sources import Sources

AT_ONCE = 8  # clips of a forward pass


class ProbeShare(NamedTuple):
    """The clips, of which this process encodes its share."""

    moments: ProbeClips
    share: ClipShare


class FeatureProbe:
    """Chooses the clips and begins to read them; the first look waits for what is not read yet."""

    def __init__(self, config: PretrainConfig, sources: Sources, processes: Processes) -> None:
        """Every process calls it. Raises what reading labels raises."""
        probe, data = config.knn_probe, config.data
        if probe is None:
            self._moments = training_clips(config, sources)
        else:
            self._moments = compute_on_rank0(processes, lambda: labelled_clips(config, probe))
        self._every = config.log.features_every_steps
        self._watched: ProbeShare | None = None
        self._reading = BackgroundReader(
            self._moments, processes, config.encoder.image_size, data.workers, data.read_timeout
        )

    def share(self, say: Callable[[str], None]) -> ProbeShare:
        """The clips; every process calls it. `say` is told of them the first time."""
        if self._watched is None:
            self._watched = ProbeShare(self._moments, self._reading.share())
            self._tell(self._watched, say)
        return self._watched

    def close(self) -> None:
        """Ends the reading where nobody has asked for it."""
        self._reading.close()

    def _tell(self, watched: ProbeShare, say: Callable[[str], None]) -> None:
        share, moments = watched.share, watched.moments
        failures = [failure for part in gather_objects(share.failures) for failure in part]
        read = sum(gather_objects(len(share.numbers)))
        missing = len(moments.times) - read
        if missing:
            say(f"warning: features are of {read} clips, {missing} cannot be read: {failures[0]}")
        what = "moments of the probe" if moments.labels else "clips of these recordings"
        say(f"features: of {read} {what}, every {self._every} steps")


@torch.no_grad()
def encode(encoder: VideoEncoder, watched: ProbeShare, device: torch.device) -> dict[int, Tensor]:
    """Pooled features [d] of all clips by their number; every process calls it, and has all."""
    clips = watched.share.clips
    parts = [encoder(part.to(device)).pooled.float().cpu() for part in clips.split(AT_ONCE)]
    mine = dict(zip(watched.share.numbers, torch.cat(parts), strict=False))
    return {number: row for part in gather_objects(mine) for number, row in part.items()}


def feature_metrics(
    watched: ProbeShare, features: dict[int, Tensor], config: PretrainConfig
) -> dict[str, float]:
    """By the names that they are logged under; no probe of the moments of one recording."""
    numbers = sorted(features)
    rows = torch.stack([features[number] for number in numbers])
    if len(rows) < 2 or not bool(torch.isfinite(rows).all()):
        return {}
    figures = {"features/rankme": rankme(rows), "features/std": feature_std(rows)}
    labels, probe = watched.moments.labels, config.knn_probe
    recordings = torch.tensor([watched.moments.of[number] for number in numbers])
    if labels is not None and probe is not None and len(recordings.unique()) > 1:
        told = knn_probe(
            rows,
            torch.tensor([labels[number] for number in numbers]),
            recordings,
            len(watched.moments.classes),
            probe.k,
            probe.temperature,
        )
        figures |= {
            "probe/knn": told.accuracy,
            "probe/majority": told.majority,
            "probe/chance": told.chance,
        }
    return figures
