"""Plots of an evaluation: a confusion matrix, and a timeline of each recording."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float, Int64
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from finetune.evaluation.display_name import plot_name
from finetune.evaluation.predictions import Predictions
from video.labels.segments import MISSING

MAX_ANNOTATED = 15  # classes up to which the cells have numbers
MAX_NAMED = 100  # classes up to which rows and columns have names, else only numbers
MAX_LEGEND = 20  # classes up to which there is a legend
LEAST_SEGMENT = 1 / 1000  # of a timeline's length: a shorter segment would be lost between pixels


def draw_confusion(
    path: Path, confusion: Int64[np.ndarray, "c c"], classes: tuple[str, ...]
) -> None:
    """Rows are the truth and add up to 100 %; their labels have the number of samples."""
    counts = confusion.sum(1)
    shares = confusion / np.maximum(counts, 1)[:, None]
    side = 3 + 0.45 * len(classes) if len(classes) <= MAX_NAMED else 12
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= MAX_NAMED:
        shown = [plot_name(name) for name in classes]
        names = [f"{name} ({count:,})" for name, count in zip(shown, counts, strict=True)]
        ticks = range(len(classes))
        axes.set_xticks(ticks, shown, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth (samples)")
    if len(classes) <= MAX_ANNOTATED:
        for row, column in np.argwhere(confusion > 0):
            share = shares[row, column]
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour)
    figure.savefig(path, dpi=120, bbox_inches="tight")


def draw_timeline(path: Path, rows: Predictions) -> None:
    """Truth, prediction and confidence of a recording over time; white where a label is missing."""
    minutes = rows.time / 60
    chosen, confidence = rows.scores.argmax(1), rows.scores.max(1)
    colours = phase_colours(len(rows.classes))
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    strips = {"truth": rows.label, "predicted": chosen}
    if (rows.label == MISSING).all():
        del strips["truth"]
    heights = [1.0] * len(strips) + [1.2]
    *strip_axes, confidence_axes = figure.subplots(
        len(heights), 1, sharex=True, height_ratios=heights
    )
    for axes, (name, labels) in zip(strip_axes, strips.items(), strict=True):
        edges, cells = _cells(minutes, np.where(labels == MISSING, np.nan, labels))
        segments = _segments(edges, cells)
        spans = [(segment.begin, segment.width) for segment in segments]
        faces = [colours(segment.label) for segment in segments]
        axes.broken_barh(spans, (0, 1), facecolors=faces, linewidth=0)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    edges, cells = _cells(minutes, confidence)
    confidence_axes.stairs(cells, edges, fill=True, color="0.6")
    confidence_axes.set_ylim(0, 1)
    confidence_axes.set_ylabel("confidence", rotation=0, ha="right", va="center")
    confidence_axes.set_xlabel("minutes")
    figure.suptitle(plot_name(str(rows.recording[0])), fontsize="medium")
    if len(rows.classes) <= MAX_LEGEND:
        handles = [
            matplotlib.patches.Patch(color=colours(i), label=plot_name(name))
            for i, name in enumerate(rows.classes)
        ]
        figure.legend(handles=handles, loc="outside right center", fontsize="small")
    figure.savefig(path, dpi=120, bbox_inches="tight")


def phase_colours(classes: int) -> ListedColormap:
    """One distinct colour per class, up to 20."""
    named = matplotlib.colormaps["tab10" if classes <= 10 else "tab20"]
    return ListedColormap([named(i % named.N) for i in range(classes)])


class Segment(NamedTuple):
    """A run of timestamps of one class, in the units of a timeline."""

    begin: float
    width: float
    label: int


def _segments(edges: Float[np.ndarray, " m"], cells: Float[np.ndarray, " k"]) -> list[Segment]:
    """Short ones are widened so that they can be seen, and come last: above their neighbours."""
    changes = np.flatnonzero(np.diff(cells)) + 1  # NaN differs from NaN
    bounds = np.concatenate(([0], changes, [len(cells)]))
    least = LEAST_SEGMENT * (edges[-1] - edges[0])
    found = []
    for first, end in pairwise(bounds.tolist()):
        if np.isnan(cells[first]):
            continue
        begin, width = float(edges[first]), float(edges[end] - edges[first])
        missing = max(0.0, least - width)
        found.append(Segment(begin - missing / 2, width + missing, int(cells[first])))
    return sorted(found, key=lambda segment: -segment.width)


def _cells(
    minutes: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " k"]]:
    """Edges in time and the values between them: a cell around each timestamp, NaN in gaps."""
    steps = np.diff(minutes)
    step = float(np.median(steps)) if len(steps) else 1.0
    gaps = np.flatnonzero(steps > 1.5 * step)
    middle = np.where(steps > 1.5 * step, minutes[:-1] + step / 2, minutes[:-1] + steps / 2)
    edges = np.concatenate(([minutes[0] - step / 2], middle, [minutes[-1] + step / 2]))
    edges = np.insert(edges, gaps + 2, minutes[gaps + 1] - step / 2)
    return edges, np.insert(values.astype(float), gaps + 1, np.nan)
