"""Which curves stand in which chart."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from launch.report.charts import COLOURS, DASHED, GREY, PALE, SOLID, STYLES, Chart, Line, Scale
from launch.report.diagnosis import loss_ratio
from launch.report.reference_runs import Reference
from launch.report.run_data import RunFacts


class Panel(NamedTuple):
    """Patterns of logged names; `beside` are what the others are to be compared with."""

    title: str
    names: tuple[str, ...]
    beside: tuple[str, ...] = ()
    scale: Scale = "auto"
    explained: str = ""
    of_beside: str = ""  # what is said where those are drawn


CONSTANT_BASELINE = "Dashed: the trivial predictor, which knows only the average."
BLIND = "Dashed: what is had without looking at a picture."
UNTAUGHT = ("val/commonest_class", "val/chance", "val/share_of_positives")

PANELS = (
    Panel(
        "Loss",
        ("loss/train", "loss/inside_view", "loss/outside_view"),
        ("loss/trivial",),
        of_beside=CONSTANT_BASELINE,
    ),
    Panel("Loss by source", ("loss/source/*",), ("loss/trivial",), of_beside=CONSTANT_BASELINE),
    Panel(
        "Nearest-neighbour probe",
        ("probe/knn",),
        ("probe/commonest", "probe/chance"),
        "plain",
        of_beside=BLIND,
    ),
    Panel(
        "Validation, by sample",
        (
            "val/top-1",
            "val/mean_class_accuracy",
            "val/mAP",
            "val/F1_macro",
            "val/F1_micro",
            "val/top-5",
        ),
        UNTAUGHT,
        "plain",
        of_beside=BLIND,
    ),
    Panel(
        "Validation, by recording",
        ("val/phase_accuracy", "val/phase_jaccard"),
        UNTAUGHT,
        "plain",
        of_beside=BLIND,
    ),
    Panel(
        "Effective rank of the features",
        ("features/rankme",),
        (),
        "plain",
        "1: all lie on a line; a mean in common counts, too.",
    ),
    Panel("Spread of the features", ("features/std",), (), "plain"),
    Panel("Learning rate", ("optimizer/lr",), (), "plain"),
    Panel("Gradient norm", ("optimizer/grad_norm",), (), "log", "Before clipping."),
    Panel("Steps skipped, so far", ("optimizer/skipped", "optimizer/overflows"), (), "plain"),
    Panel("Scale of the loss (fp16)", ("optimizer/loss_scale",), (), "log"),
    Panel("Clips a second", ("speed/clips_per_second",), (), "plain", "All processes together."),
    Panel(
        "Time spent waiting for data", ("speed/data_wait",), (), "share", "Of the first process."
    ),
    Panel("Peak memory, GiB", ("speed/memory_gib",), (), "plain", "Of the first process."),
    Panel("Operations, of the device's peak", ("speed/mfu",), (), "share"),
    Panel("Unreadable, so far", ("data/unreadable",), (), "plain"),
)

ON_LINE = {
    "loss/train": "all",
    "loss/trivial": "trivial predictor",
    "loss/inside_view": "inside the field of view",
    "loss/outside_view": "outside the field of view",
}
MOST_LINES = len(COLOURS)
AHEAD = 1.25  # times the runs' last step, to which references are shown


def charts_of(runs: Sequence[RunFacts]) -> tuple[list[Chart], dict[str, str]]:
    """Charts of all that was logged, and the figures that never changed, with their value."""
    names = list(dict.fromkeys(name for run in runs for name in run.curves))
    still = {name: value for name in names if (value := _still(name, runs)) is not None}
    charts = []
    for panel in _panels([name for name in names if name not in still]):
        charts += _together(panel, runs[0]) if len(runs) == 1 else _apart(panel, runs)
    return charts, still


def _still(name: str, runs: Sequence[RunFacts]) -> str | None:
    """The value of a figure that is the same throughout; None where it is to be drawn."""
    curves = [run.curves[name] for run in runs if name in run.curves]
    values = {
        float(value)
        for curve in curves
        for value in (curve.values.min(), curve.last, curve.values.max())
    }
    if name == "loss/train" or any(name in panel.beside for panel in PANELS):
        return None
    many = sum(len(curve.values) for curve in curves) > len(curves)
    return f"{values.pop():.6g}" if len(values) == 1 and many else None


def _panels(names: Sequence[str]) -> Iterator[Panel]:
    """Those of the table that have curves, then one for each group that it does not know."""
    known: set[str] = set()
    for panel in PANELS:
        chosen = [name for pattern in panel.names for name in names if fnmatchcase(name, pattern)]
        beside = [name for name in panel.beside if name in names]
        known.update(chosen, beside)
        for part in _parts(chosen):
            yield panel._replace(names=part, beside=tuple(beside))
    rest = [name for name in names if name not in known]
    for group in dict.fromkeys(name.rpartition("/")[0] for name in rest):
        mine = [name for name in rest if name.rpartition("/")[0] == group]
        for part in _parts(mine):
            yield Panel(group or "Others", part)


def _parts(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for begin in range(0, len(names), MOST_LINES):
        yield tuple(names[begin : begin + MOST_LINES])


def _together(panel: Panel, run: RunFacts) -> list[Chart]:
    """One run: a chart a panel, a colour a curve."""
    lines = [
        Line(_word(name, len(panel.names) + len(panel.beside)), run.curves[name], colour)
        for name, colour in zip(panel.names, COLOURS, strict=False)
    ]
    lines += [
        Line(_word(name, 2), run.curves[name], GREY, STYLES[i], 1.1)
        for i, name in enumerate(panel.beside)
    ]
    restarts = tuple((step, GREY) for step in dict.fromkeys(run.restarts))
    return [Chart(panel.title, tuple(lines), panel.scale, _explained(panel), restarts)]


def _apart(panel: Panel, runs: Sequence[RunFacts]) -> list[Chart]:
    """Several runs: a chart a curve, a colour a run."""
    charts = []
    for name in panel.names:
        lines = [Line(run.name, run.curves[name], colour) for run, colour in coloured(runs, {name})]
        beside = panel.beside[:1]
        lines += [
            Line("", run.curves[other], colour, DASHED, 1.1)
            for other in beside
            for run, colour in coloured(runs, {name, other})
        ]
        restarts = tuple(
            (s, colour) for run, colour in coloured(runs, {name}) for s in run.restarts
        )
        title = panel.title if len(panel.names) == 1 else f"{panel.title}: {_word(name, 2)}"
        charts.append(Chart(title, tuple(lines), panel.scale, _explained(panel), restarts))
    return charts


def _explained(panel: Panel) -> str:
    return " ".join(filter(None, (panel.explained, panel.of_beside if panel.beside else "")))


def coloured(runs: Sequence[RunFacts], names: set[str]) -> list[tuple[RunFacts, str]]:
    """The runs that have logged all these, each with the colour that it has everywhere."""
    return [
        (run, colour)
        for run, colour in zip(runs, COLOURS, strict=False)
        if names <= run.curves.keys()
    ]


def _word(name: str, curves: int) -> str:
    """A logged name in the legend; where a curve is alone, the title says it."""
    if curves == 1:
        return ""
    return ON_LINE.get(name) or name.rpartition("/")[2].replace("_", " ")


def ratio_chart(runs: Sequence[RunFacts], references: Sequence[Reference]) -> Chart | None:
    """Loss over the trivial predictor's, of runs and of references as far as the runs have come."""
    lines = [
        Line(run.name, curve, colour)
        for run, colour in zip(runs, COLOURS, strict=False)
        if (curve := loss_ratio(run)) is not None
    ]
    if not lines:
        return None
    last = int(AHEAD * max(line.curve.steps[-1] for line in lines))
    for i, reference in enumerate(references):
        known = reference.ratio.within(0, last)
        if len(known.steps) > 1:
            style = STYLES[i % len(STYLES)] if i else SOLID
            lines.append(Line(str(reference), known, PALE, style, 3.5))
    return Chart(
        "Loss over that of the trivial predictor",
        tuple(lines),
        "plain",
        "The level line at 1 is the trivial predictor; lower is better.",
        is_wide=True,
        level=1.0,
    )
