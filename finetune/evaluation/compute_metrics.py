"""Every metric of the table that a file of predictions can have."""

from typing import NamedTuple

import numpy as np

from finetune.evaluation.bootstrap import Average, average
from finetune.evaluation.metrics import METRICS, Metric
from finetune.evaluation.predictions import Predictions
from finetune.evaluation.sample_metrics import LabelledScores
from launch.errors import ConfigError
from video.labels.segments import MISSING

OWN = "finetune."  # modules of the built-in metrics


class MetricValues(NamedTuple):
    """Metrics by name."""

    samples: dict[str, float]  # of all samples together
    recordings: dict[str, Average]  # of each recording, averaged

    @property
    def all(self) -> dict[str, float]:
        """One number for each metric, in the order of the table."""
        averages = {name: each.value for name, each in self.recordings.items()}
        values = {**self.samples, **averages}
        return {name: values[name] for name in METRICS if name in values}


def compute_metrics(predictions: Predictions) -> MetricValues:
    """Those that fit the labels, the number of classes, and whether samples are timestamps."""
    everything = labelled_scores(predictions)
    samples, recordings = dict[str, float](), dict[str, Average]()
    each_recording = [labelled_scores(rows) for rows in predictions.by_recording().values()]
    by_recording = [each for each in each_recording if len(each.label)]
    for name, metric in METRICS.items():
        if not _applies(metric, predictions):
            continue
        if metric.over == "samples":
            samples[name] = _value(name, metric, everything)
        else:
            values = [_value(name, metric, each) for each in by_recording]
            recordings[name] = average(np.array(values)[:, None])
    return MetricValues(samples, recordings)


def _value(name: str, metric: Metric, samples: LabelledScores) -> float:
    """Raises ConfigError where a metric of a plugin fails."""
    try:
        return metric.compute(samples)
    except Exception as error:
        if metric.module.startswith(OWN):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ConfigError(
            f"plugins: the metric {name!r} of {metric.module} fails ({reason}); correct it there, "
            "or run without this plugin"
        ) from error


def labelled_scores(predictions: Predictions) -> LabelledScores:
    """The samples with a label; of multi-label predictions all."""
    known = np.ones(len(predictions.label), dtype=bool)
    if not predictions.is_multi_label:
        known = predictions.label != MISSING
    return LabelledScores(
        np.asarray(predictions.scores[known], dtype=np.float32),
        np.asarray(predictions.label[known], dtype=np.int64),
        predictions.time[known],
    )


def _applies(metric: Metric, predictions: Predictions) -> bool:
    task = "multi_label" if predictions.is_multi_label else "single_label"
    return (
        task in metric.tasks
        and len(predictions.classes) >= metric.min_classes
        and (predictions.has_times or not metric.needs_time)
    )
