"""The table of metrics: what the rest of the program must know of each."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple

from finetune.task import ANY_TASK, Task
from launch.nearest import nearest

SAMPLES, PHASES = "finetune.evaluation.sample_metrics", "finetune.evaluation.phase_metrics"


class Metric(NamedTuple):
    """One number of a file of predictions, in shares of 1."""

    function: str | Callable[[Any], float]
    """From `LabelledScores` to a number, NaN where it is undefined; or its "module:function"."""
    tasks: tuple[Task, ...] = ("single_label",)
    """Labels that it is defined for: one class a sample, or several."""
    over: Literal["samples", "recordings"] = "samples"
    """Computed on all samples together, or for each recording and then averaged."""
    needs_time: bool = False
    """Whether samples must be timestamps of recordings; then it is not for clips."""
    min_classes: int = 1
    higher_is_better: bool = True
    is_baseline: bool = False
    """A value that is reached without learning. It cannot select the best step."""
    in_report: bool = True
    """Part of the text and JSON of `evaluate`; else only of a run's log and summary."""
    in_summary: bool = False
    """Part of the one-line summary of a run."""

    @property
    def module(self) -> str:
        """The name of the module that has the function."""
        if isinstance(self.function, str):
            return self.function.partition(":")[0]
        return getattr(self.function, "__module__", None) or type(self.function).__module__

    def compute(self, samples: Any) -> float:
        """The metric of `LabelledScores`."""
        if isinstance(self.function, str):
            module, _, name = self.function.partition(":")
            return float(getattr(import_module(module), name)(samples))
        return float(self.function(samples))


METRICS: dict[str, Metric] = {
    "top-1": Metric(f"{SAMPLES}:top_1", in_summary=True),
    "phase accuracy": Metric(
        f"{PHASES}:phase_accuracy",
        over="recordings",
        needs_time=True,
        in_report=False,
        in_summary=True,
    ),
    "phase jaccard": Metric(
        f"{PHASES}:phase_jaccard",
        over="recordings",
        needs_time=True,
        in_report=False,
        in_summary=True,
    ),
    "balanced accuracy": Metric(f"{SAMPLES}:balanced_accuracy", over="recordings"),
    "mean class accuracy": Metric(f"{SAMPLES}:mean_class_accuracy", in_summary=True),
    "mAP": Metric(f"{SAMPLES}:mean_average_precision", ANY_TASK, in_summary=True),
    "F1 macro": Metric(f"{SAMPLES}:f1_macro", ANY_TASK, in_summary=True),
    "F1 micro": Metric(f"{SAMPLES}:f1_micro", ANY_TASK),
    "top-5": Metric(f"{SAMPLES}:top_5", min_classes=6),
    "majority class": Metric(f"{SAMPLES}:majority_class", is_baseline=True, in_summary=True),
    "chance": Metric(f"{SAMPLES}:chance", is_baseline=True, in_summary=True),
    "share of positives": Metric(
        f"{SAMPLES}:share_of_positives", ("multi_label",), is_baseline=True, in_summary=True
    ),
}


def selecting_metrics(task: Task | None = None) -> list[str]:
    """Metrics that can select the best step, of all tasks or of one."""
    return [
        name
        for name, metric in METRICS.items()
        if not metric.is_baseline and (task is None or task in metric.tasks)
    ]


def require_selecting_metric(name: str) -> str:
    """The name itself. Raises ValueError where no such metric can select the best step."""
    known = selecting_metrics()
    if name not in known:
        raise ValueError(f"known metrics are {', '.join(known)}{nearest(name, known)}")
    return name
