"""Predictions, metrics and plots of an evaluated part, as files of the run folder."""

from collections.abc import Callable, Mapping

from finetune.evaluation.evaluate import evaluate, write_evaluation
from finetune.evaluation.metrics import METRICS
from finetune.evaluation.predictions import Predictions, save_predictions
from launch.distributed.process_group import run_on_rank0
from launch.run.session import Session


def write_predictions(
    session: Session, part: str, predictions: Predictions, log: Callable[[str], None]
) -> None:
    """Writes `predictions_PART.npz` and `evaluation_PART/`; logs the most important metrics."""
    file = session.folder / f"predictions_{part}.npz"

    def write() -> None:
        save_predictions(file, predictions)
        evaluation = evaluate(predictions, str(file))
        write_evaluation(evaluation, session.folder / f"evaluation_{part}")
        log(f"{part}: {summary_line(evaluation.metrics.all)}")
        log(f"  all metrics: python -m finetune evaluate {file}")

    run_on_rank0(session.processes, write)


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
