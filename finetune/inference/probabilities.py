"""From a model's outputs to predictions: probabilities with labels, names and times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from encoder.knn import votes
from finetune.config import FinetuneConfig, TestViewsConfig
from finetune.data.samples import SampledTrack
from finetune.evaluation.predictions import Predictions
from finetune.inference.predictor import ModelOutputs, ViewAverager, recording_names

QUERIES_AT_ONCE = 1024  # which bounds the memory of their similarities


def view_averager(test_views: TestViewsConfig, multi_label: bool) -> ViewAverager:
    """How the logits of a sample's views become its probabilities."""

    def probabilities(logits: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return logits.sigmoid() if multi_label else logits.softmax(-1)

    def average(logits: Float[Tensor, "m v k"]) -> Float[Tensor, "m k"]:
        if test_views.average == "logits":
            return probabilities(logits.mean(1))
        return probabilities(logits).mean(1)

    return average


def build_predictions(
    outputs: ModelOutputs,
    sampled: Sequence[SampledTrack],
    classes: tuple[str, ...],
    multi_label: bool,
    metadata: dict[str, Any],
) -> Predictions:
    """An unreadable sample has the same probability for all classes, and is counted."""
    names = np.array(recording_names(sampled))
    samples = list(zip(outputs.track.tolist(), outputs.sample.tolist(), strict=True))
    tracks = [each.track for each in sampled]
    scores = outputs.values.copy()
    scores[~outputs.readable] = 0.5 if multi_label else 1 / len(classes)
    is_whole = [track.ends is not None and len(track.times) == 1 for track in tracks]
    times = [np.nan if is_whole[i] else float(tracks[i].times[n]) for i, n in samples]
    kind = "clips" if any(track.ends is not None for track in tracks) else "timestamps"
    return Predictions(
        names[outputs.track],
        np.array(times, dtype=np.float64),
        scores,
        np.array([tracks[i].labels[n] for i, n in samples], dtype=np.int64),
        classes,
        {**metadata, "samples": kind, "unreadable": int((~outputs.readable).sum())},
    )


def prediction_metadata(
    config: FinetuneConfig, part: str, step: int, **more: Any
) -> dict[str, Any]:
    """The settings that predictions depend on."""
    views = config.test_views
    return {
        "run": config.run,
        "part": part,
        "step": step,
        "tuning": config.tuning.kind,
        "weights": config.backbone.weights or "from scratch",
        "seed": config.seed,
        "views": f"{views.clips} clips x {views.crops} crops, {views.average} averaged",
        **more,
    }


def knn_probabilities(
    train: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    queries: Float[np.ndarray, "m d"],
    classes: int,
    k: int,
    temperature: float,
) -> Float[np.ndarray, "m k"]:
    """Weighted votes of the k nearest training features by cosine similarity, as shares."""
    keys, targets = normalize(torch.from_numpy(train), dim=1), torch.from_numpy(labels)
    chunks = torch.from_numpy(queries).split(QUERIES_AT_ONCE)
    shares = [
        votes(normalize(chunk, dim=1) @ keys.T, targets, classes, k, temperature)
        for chunk in chunks
    ]
    return torch.cat(shares).numpy()
