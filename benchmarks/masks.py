"""Time to draw the masks of a batch, compared with Python loops as in published code.

`python -m benchmarks.masks` times tube 0.9 with running cell 0.5 at batch 32 on a grid of 8x14x14,
including all that a dataloader worker does: one random generator per clip, the masks, and their
indices. Each repetition runs every method once; medians are compared.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from launch.rng import sample_rng
from masking import DualMasking, Grid, Masks, RunningCell, Tube

GRID: Grid = (8, 14, 14)
BATCH, REPETITIONS, WARM_UP = 32, 300, 20
TUBE_RATIO, CELL_RATIO = 0.9, 0.5
PROJECT = "masking.DualMasking"
MASKING = DualMasking(encoder=Tube(ratio=TUBE_RATIO), decoder=RunningCell(ratio=CELL_RATIO))

Rngs = Sequence[np.random.Generator]


def shuffle_tube(rng: np.random.Generator) -> np.ndarray:
    """The tube mask of one clip: 1 where hidden."""
    frames, rows, columns = GRID
    hidden_count = int(TUBE_RATIO * rows * columns)
    position = np.hstack([np.zeros(rows * columns - hidden_count), np.ones(hidden_count)])
    rng.shuffle(position)
    return np.tile(position, (frames, 1)).flatten()


def roll_cells(start: int) -> np.ndarray:
    """The running cell of one clip: 1 where not decoded."""
    frames, rows, columns = GRID
    hidden_count = int(4 * CELL_RATIO)
    queue = np.hstack([np.ones(hidden_count), np.zeros(4 - hidden_count)])
    maps = []
    for frame in range(frames):
        cell = np.roll(queue, -(start + frame + 1)).reshape(2, 2)
        maps.append(np.tile(cell, (rows // 2, columns // 2)).flatten())
    return np.concatenate(maps)


CELL_MAPS = [roll_cells(start) for start in range(4)]


def draw_by_loops(rngs: Rngs) -> Masks:
    """Loops over clips, and over frames for the running cell."""
    return _stack([(shuffle_tube(rng), roll_cells(int(rng.integers(4)))) for rng in rngs])


def draw_by_clip(rngs: Rngs) -> Masks:
    """Loops over clips, with precomputed maps of the running cell."""
    return _stack([(shuffle_tube(rng), CELL_MAPS[rng.integers(4)].copy()) for rng in rngs])


def draw_batch(rngs: Rngs) -> Masks:
    """This project's method."""
    return MASKING.draw(GRID, rngs)


def _stack(hidden: list[tuple[np.ndarray, np.ndarray]]) -> Masks:
    visible = np.stack([np.flatnonzero(encoder == 0) for encoder, _ in hidden])
    return Masks(visible, np.stack([np.flatnonzero(decoder == 0) for _, decoder in hidden]))


def make_rngs(epoch: int) -> list[np.random.Generator]:
    return [sample_rng(0, epoch, sample, "mask") for sample in range(BATCH)]


def measure(methods: dict[str, Callable[[Rngs], object]]) -> dict[str, list[float]]:
    """Microseconds per clip of every method, one value per repetition."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for repetition in range(WARM_UP + REPETITIONS):
        for name, draw in methods.items():
            start = time.perf_counter()
            draw(make_rngs(repetition))
            times[name].append((time.perf_counter() - start) / BATCH * 1e6)
    return {name: each[WARM_UP:] for name, each in times.items()}


def main() -> None:
    rngs = make_rngs(0)
    shapes = [[part.shape for part in draw(rngs)] for draw in (draw_batch, draw_by_loops)]
    assert shapes[0] == shapes[1], f"the methods draw different counts: {shapes}"
    times = measure(
        {
            PROJECT: draw_batch,
            "loop over clips and frames": draw_by_loops,
            "loop over clips, precomputed maps": draw_by_clip,
            "random generators alone (in each)": lambda rngs: None,
        }
    )
    project = statistics.median(times[PROJECT])
    print(f"grid {GRID}, batch {BATCH}, {REPETITIONS} repetitions, microseconds per clip")
    print(f"{'':<40}{'median':>8}{'quartiles':>16}{'ratio':>8}")
    for name, each in times.items():
        low, median, high = statistics.quantiles(each, n=4)
        print(f"{name:<40}{median:>8.1f}{low:>8.1f}{high:>8.1f}{median / project:>8.2f}")


if __name__ == "__main__":
    main()
