"""Counts where the loop would wait for a GPU between two batches; run by test_loop.

    loop_program.py WORDS OF THE COMMAND LINE...

Prints a JSON list of the counts at each batch.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pretrain.run
from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.data import PretrainBatch
from pretrain.loop import PretrainRun, train
from tests.launch.training.waits import counted_waits


def main() -> None:
    config = load_recipe(PretrainConfig, sys.argv[1], sys.argv[2:], RECIPES)
    marks: list[dict[str, int]] = []

    def marked(batches: Iterator[PretrainBatch], seen: Counter[str]) -> Iterator[PretrainBatch]:
        for batch in batches:
            marks.append(dict(seen))
            yield batch

    def counted(run: PretrainRun) -> None:
        with counted_waits() as seen:
            train(run._replace(batches=marked(run.batches, seen)))

    pretrain.run.train = counted
    pretrain.run.pretrain(config)
    print(json.dumps(marks))


if __name__ == "__main__":
    main()
