"""What a run leaves of a part that it was tested on: predictions, figures and pictures."""

from collections.abc import Callable, Mapping

from finetune.evaluation.evaluate import evaluate, write_evaluation
from finetune.evaluation.predictions import Predictions, save_predictions
from finetune.inference.probabilities import figures_of
from launch.distributed.process_group import run_on_rank0
from launch.run.session import Session

Say = Callable[[str], None]


def write_predictions(opened: Session, part: str, predictions: Predictions, say: Say) -> None:
    """`predictions_PART.npz` and `evaluation_PART/`; the figures are told in a line."""
    file = opened.folder / f"predictions_{part}.npz"

    def write() -> None:
        save_predictions(file, predictions)
        evaluation = evaluate(predictions, str(file))
        write_evaluation(evaluation, opened.folder / f"evaluation_{part}")
        say(f"{part}: {summary_line(figures_of(evaluation))}")
        say(f"  all figures: python -m finetune evaluate {file}")

    run_on_rank0(opened.processes, write)


def summary_line(figures: Mapping[str, float]) -> str:
    """The figures that are told in one line, with what they can be compared with."""
    chosen = ("top-1", "phase accuracy", "phase jaccard", "mean class accuracy", "mAP", "F1 macro")
    parts = [f"{name} {figures[name]:.3f}" for name in chosen if name in figures]
    beside = [
        f"{name} {figures[name]:.3f}"
        for name in ("majority class", "chance", "share of positives")
        if name in figures
    ]
    return f"{', '.join(parts)} (beside: {', '.join(beside)})"
