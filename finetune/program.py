"""The commands of `python -m finetune`."""

import argparse

from finetune.evaluation import evaluate, evaluation_lines, write_evaluation
from finetune.predictions import load_predictions


def run_evaluate(options: argparse.Namespace) -> None:
    """Recomputes every figure; the file is all that is read."""
    predictions = load_predictions(options.predictions)
    evaluation = evaluate(predictions, str(options.predictions), options.tolerances)
    for line in evaluation_lines(evaluation, str(options.predictions)):
        print(line)
    if options.out:
        for path in write_evaluation(evaluation, options.out):
            print(f"written: {path}")


PROGRAMS = {"evaluate": run_evaluate}
