"""Predictions, metrics and plots of an evaluated part, as files of the run folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from finetune.evaluation.evaluate import evaluate, write_evaluation
from finetune.evaluation.metrics import METRICS
from finetune.evaluation.predictions import EVALUATIONS, Predictions, save_predictions
from finetune.inference.earlier_predictions import count_evaluation
from launch.distributed.process_group import run_on_rank0
from launch.run.session import Session

TESTED_BEFORE = (
    "test was evaluated before by this run; report the first result, or all of them, and choose no "
    "model by them"
)


def write_predictions(
    session: Session, part: str, predictions: Predictions, log: Callable[[str], None]
) -> None:
    """Writes `predictions_PART.npz` and `evaluation_PART/`; logs the most important metrics.

    Another evaluation of the same part is counted, and the earlier predictions are kept.
    """
    file = session.folder / f"predictions_{part}.npz"

    def write() -> None:
        counted = _count(predictions, file, part, log)
        save_predictions(file, counted)
        evaluation = evaluate(counted, str(file))
        write_evaluation(evaluation, session.folder / f"evaluation_{part}")
        log(f"{part}: {summary_line(evaluation.metrics.all)}")
        log(f"  all metrics: python -m finetune evaluate {file}")

    run_on_rank0(session.processes, write)


def _count(
    predictions: Predictions, file: Path, part: str, log: Callable[[str], None]
) -> Predictions:
    """The predictions with the number of evaluations of their part in `about`."""
    number, step, kept = count_evaluation(file, predictions)
    if kept is not None:
        log(
            f"{part}: evaluation {number} of this run; the predictions of evaluation {number - 1} "
            f"(step {step}) are kept as {kept}"
        )
        if part == "test":
            log(f"warning: {TESTED_BEFORE}")
    return predictions._replace(metadata={**predictions.metadata, EVALUATIONS: number})


def summary_line(metrics: Mapping[str, float]) -> str:
    """The most important metrics in one line, with the baselines."""
    texts = {
        name: f"{name} {value:.3f}" for name, value in metrics.items() if METRICS[name].in_summary
    }
    measured, baselines = (
        ", ".join(text for name, text in texts.items() if METRICS[name].is_baseline == is_baseline)
        for is_baseline in (False, True)
    )
    return f"{measured} (baselines: {baselines})"
