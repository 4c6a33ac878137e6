"""Features of recordings over time, in one file per recording, written atomically."""

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
from finetune.evaluation.array_archive import ArrayRule, read_arrays
from finetune.inference.multi_view import MultiViewReader, sample_batches
from finetune.inference.predict_video import PredictOptions
from finetune.inference.predictor import Predictor, autocast_dtype
from finetune.model.backbone import build_backbone
from finetune.model.config import BackboneConfig
from launch.atomic_io import sha256_file
from launch.distributed.process_group import Processes
from launch.errors import ConfigError
from launch.json_text import json_text
from video.eval_crop import EvalCrop
from video.labels.align import LabelTrack, timestamps
from video.labels.segments import MISSING
from video.recording import Recording, UnreadableVideo

SETTINGS_AND_TIMES = {"about": ArrayRule("U", (0,)), "time": ArrayRule("f", (1,))}


class ExportedFeatures(NamedTuple):
    """The file of one recording."""

    path: Path
    num_timestamps: int
    failures: tuple[UnreadableVideo, ...]
    already_exported: bool  # by an earlier call with the same settings


def open_encoder(backbone: BackboneConfig) -> tuple[VideoEncoder, dict[str, Any]]:
    """The encoder, and the settings that its features depend on. Raises CheckpointMismatch."""
    if backbone.weights is None:
        raise ConfigError("weights: are missing; features of random weights are meaningless")
    encoder, report = build_backbone(backbone)
    assert report is not None
    path = report.source.file.path
    metadata = {
        "weights": str(path),
        "sha256": sha256_file(find_file(path)),
        "variant": backbone.variant,
        "encoder": encoder.config.as_dict(),
    }
    return encoder.eval(), metadata


def export_features(
    encoder: VideoEncoder,
    metadata: dict[str, Any],
    recordings: list[Recording],
    out: Path,
    window: WindowSampling,
    options: PredictOptions,
) -> Iterator[ExportedFeatures]:
    """`NAME.npz` of each: `time` [n], `features` [n d], `readable` [n], `about` as JSON.

    Existing files with the same settings are skipped, so a killed call can be repeated. Raises
    ConfigError where a file has other settings, or two recordings have one name.
    """
    names = [Path(recording.path).stem for recording in recordings]
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise ConfigError(
            f"source: two recordings have the name {twice}; export them to two folders"
        )
    out.mkdir(parents=True, exist_ok=True)
    device = Processes().device
    encoder.to(device)
    reader = MultiViewReader(EvalCrop(encoder.config.image_size), encoder.config.num_frames)
    predictor = Predictor(reader, options.batch_size, options.workers, options.read_timeout)
    for recording, name in zip(recordings, names, strict=True):
        file = out / f"{name}.npz"
        settings = {
            **metadata,
            "recording": recording.content or recording.path,
            "rate": options.rate,
            "window": vars(window),
            **({"precision": "bf16"} if autocast_dtype("auto", device) else {}),
        }
        if file.exists():
            yield ExportedFeatures(file, _require_same(file, settings), (), True)
            continue
        times = timestamps(recording, options.rate)
        track = LabelTrack(recording, times, np.full(len(times), MISSING, dtype=np.int64), 0, 0)
        yield _export(encoder, SampledTrack(track, window), predictor, settings, file)


def _export(
    encoder: VideoEncoder,
    sampled: SampledTrack,
    predictor: Predictor,
    settings: dict[str, Any],
    file: Path,
) -> ExportedFeatures:
    def pooled(clips: Tensor) -> Float[Tensor, "b d"]:
        return encoder(clips).pooled

    batches = sample_batches([sampled], labelled_only=False)
    outputs = list(
        predictor.predict_batches(
            pooled,
            lambda views: views.mean(1),
            [sampled],
            batches,
            range(len(batches)),
            Processes(),
        )
    )
    temporary = file.with_name(file.name + ".tmp.npz")
    np.savez(
        temporary,
        time=sampled.track.times,
        features=np.concatenate([each.values for each in outputs]),
        readable=np.concatenate([each.readable for each in outputs]),
        about=np.asarray(json_text(settings)),
    )
    temporary.replace(file)
    failures = tuple(failure for each in outputs for failure in each.failures)
    return ExportedFeatures(file, len(sampled.track.times), failures, False)


def _require_same(file: Path, settings: dict[str, Any]) -> int:
    """The number of timestamps of a file. Raises ConfigError where it has other settings."""
    try:
        arrays = read_arrays(file, SETTINGS_AND_TIMES, lambda shapes: None)
        found = dict(json.loads(str(arrays["about"])))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{file}: cannot be read ({error!s:.120}); remove it") from None
    wanted = json.loads(json_text(settings))
    differs = [key for key in wanted if found.get(key) != wanted[key]]
    if differs:
        raise ConfigError(
            f"{file}: was exported with another {', '.join(differs)}; remove it, or give another "
            "folder"
        )
    return len(arrays["time"])
