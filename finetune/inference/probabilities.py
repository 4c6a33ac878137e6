"""From a network's answers to predictions: probabilities, with labels, names and times."""

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
from finetune.evaluation.evaluate import Evaluation
from finetune.evaluation.predictions import Predictions
from finetune.inference.predictor import ModelOutputs, ViewAverager, recording_names


def view_averager(test_views: TestViewsConfig, multi_label: bool) -> ViewAverager:
    """How the logits of a sample's views become its probabilities."""

    def probabilities(logits: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return logits.sigmoid() if multi_label else logits.softmax(-1)

    def join(logits: Float[Tensor, "m v k"]) -> Float[Tensor, "m k"]:
        if test_views.average == "logits":
            return probabilities(logits.mean(1))
        return probabilities(logits).mean(1)

    return join


def build_predictions(
    answers: ModelOutputs,
    sampled: Sequence[SampledTrack],
    classes: tuple[str, ...],
    many: bool,
    about: dict[str, Any],
) -> Predictions:
    """A sample that cannot be read gets the same probability for all classes, and is counted."""
    names = np.array(recording_names(sampled))
    places = list(zip(answers.track.tolist(), answers.sample.tolist(), strict=True))
    tracks = [each.track for each in sampled]
    scores = answers.values.copy()
    scores[~answers.readable] = 0.5 if many else 1 / len(classes)
    whole = [track.until is not None and len(track.times) == 1 for track in tracks]
    times = [np.nan if whole[i] else float(tracks[i].times[n]) for i, n in places]
    kind = "clips" if any(track.until is not None for track in tracks) else "moments"
    return Predictions(
        names[answers.track],
        np.array(times, dtype=np.float64),
        scores,
        np.array([tracks[i].labels[n] for i, n in places], dtype=np.int64),
        classes,
        {**about, "samples": kind, "unreadable": int((~answers.readable).sum())},
    )


def figures_of(evaluation: Evaluation) -> dict[str, float]:
    """What a run can be judged by; see ValidationConfig."""
    figures = dict(evaluation.samples.figures)
    if "strict" in evaluation.phases:
        summary = evaluation.phases["strict"]
        figures["phase accuracy"] = summary.accuracy.value
        figures["phase jaccard"] = summary.recordings_first["jaccard"].value
    return figures


def prediction_metadata(
    config: FinetuneConfig, part: str, step: int, **more: Any
) -> dict[str, Any]:
    """What the figures of predictions depend on."""
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
    """Votes of the nearest by cosine, as shares."""
    known, of = normalize(torch.from_numpy(train), dim=1), torch.from_numpy(labels)
    parts = torch.from_numpy(queries).split(1024)
    told = [votes(normalize(part, dim=1) @ known.T, of, classes, k, temperature) for part in parts]
    return torch.cat(told).numpy()
