"""Features of recordings over time as files, one a recording, complete or absent."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from encoder.checkpoint.tensor_file import find_file
from encoder.vit import VideoEncoder
from finetune.data.samples import SampledTrack
from finetune.data.windows import WindowSampling
from finetune.inference.multi_view import MultiViewReader, sample_batches
from finetune.inference.predict_video import PredictOptions
from finetune.inference.predictor import Predictor
from finetune.model.backbone import build_backbone
from finetune.model.config import BackboneConfig
from launch.atomic_io import sha256_file
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from video.eval_crop import EvalCrop
from video.labels.align import LabelTrack, timestamps
from video.labels.segments import MISSING
from video.recording import Recording, UnreadableVideo


class ExportedFeatures(NamedTuple):
    """What became of one recording."""

    path: Path
    num_timestamps: int
    failures: tuple[UnreadableVideo, ...]
    already_exported: bool  # from a call before, with the same settings


def open_encoder(backbone: BackboneConfig) -> tuple[VideoEncoder, dict[str, Any]]:
    """The encoder, and what its features depend on. Raises CheckpointMismatch."""
    if backbone.weights is None:
        raise ConfigError("weights: are missing; features of random weights say nothing")
    encoder, report = build_backbone(backbone)
    assert report is not None
    path = report.found.file.path
    facts = {
        "weights": str(path),
        "sha256": sha256_file(find_file(path)),
        "variant": backbone.variant,
        "encoder": encoder.config.as_dict(),
    }
    return encoder.eval(), facts


def export_features(
    encoder: VideoEncoder,
    metadata: dict[str, Any],
    recordings: list[Recording],
    out: Path,
    window: WindowSampling,
    options: PredictOptions,
) -> Iterator[ExportedFeatures]:
    """`NAME.npz` of each: `time` [n], `features` [n d], `readable` [n], `about` as JSON.

    Those that are there already with the same settings are passed over, so a call that was killed
    goes on. Raises ConfigError where a file of other settings is in the way, or two recordings
    have one name.
    """
    names = [Path(recording.path).stem for recording in recordings]
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise ConfigError(f"source: two recordings are called {twice}; export them apart")
    out.mkdir(parents=True, exist_ok=True)
    encoder.to(Processes().device)
    size, frames = encoder.config.image_size, encoder.config.num_frames
    asking = Predictor(
        MultiViewReader(EvalCrop(size), frames),
        options.batch_size,
        options.workers,
        options.read_timeout,
    )
    for recording, name in zip(recordings, names, strict=True):
        file = out / f"{name}.npz"
        about = {
            **metadata,
            "recording": recording.content or recording.path,
            "rate": options.rate,
            "window": vars(window),
        }
        if file.exists():
            yield ExportedFeatures(file, _require_same(file, about), (), True)
            continue
        times = timestamps(recording, options.rate)
        track = LabelTrack(recording, times, np.full(len(times), MISSING, dtype=np.int64), 0, 0)
        yield _export(encoder, SampledTrack(track, window), asking, about, file)


def _export(
    encoder: VideoEncoder,
    sampled: SampledTrack,
    asking: Predictor,
    about: dict[str, Any],
    file: Path,
) -> ExportedFeatures:
    def pooled(clips: Tensor) -> Float[Tensor, "b d"]:
        return encoder(clips).pooled

    questions = sample_batches([sampled], labelled_only=False)
    answered = list(
        asking.predict_batches(
            pooled,
            lambda test_views: test_views.mean(1),
            [sampled],
            questions,
            range(len(questions)),
            Processes(),
        )
    )
    aside = file.with_name(file.name + ".tmp.npz")
    np.savez(
        aside,
        time=sampled.track.times,
        features=np.concatenate([each.values for each in answered]),
        readable=np.concatenate([each.readable for each in answered]),
        about=np.asarray(json.dumps(about)),
    )
    aside.replace(file)
    failures = tuple(failure for each in answered for failure in each.failures)
    return ExportedFeatures(file, len(sampled.track.times), failures, False)


def _require_same(file: Path, about: dict[str, Any]) -> int:
    """The number of moments of a file that was made with the same settings."""
    try:
        with np.load(file, allow_pickle=False) as held:
            found, count = json.loads(str(held["about"])), len(held["time"])
    except Exception as error:  # a damaged archive can make its reader fail anyhow
        raise ConfigError(f"{file}: cannot be read ({type(error).__name__}); remove it") from None
    wanted = json.loads(json.dumps(about))
    differs = [key for key in wanted if found.get(key) != wanted[key]]
    if differs:
        raise ConfigError(
            f"{file}: is of another {', '.join(differs)}; remove it, or give another folder"
        )
    return count
