"""Which curves are drawn in which chart."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from launch.report.charts import COLOURS, DASHED, GREY, PALE, SOLID, STYLES, Chart, Line, Scale
from launch.report.diagnosis import loss_ratio
from launch.report.reference_runs import ReferenceRun
from launch.report.run_data import RunData


class Panel(NamedTuple):
    """Patterns of log names that share a chart; `baselines` are dashed."""

    title: str
    names: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    scale: Scale = "auto"
    caption: str = ""
    baseline_caption: str = ""  # if there are baselines


CONSTANT_BASELINE = "Dashed: the loss of predicting the best constant per channel of each clip."
NO_INPUT = "Dashed: reached without looking at the video."
VALIDATION_BASELINES = ("val/majority_class", "val/chance", "val/share_of_positives")
SAMPLE_METRICS = ("top-1", "mean_class_accuracy", "mAP", "F1_macro", "F1_micro", "top-5")
LOSSES = ("loss/train", "loss/inside_fov", "loss/outside_fov")
BASELINE = ("loss/constant_baseline",)
PROBE_BASELINES = ("probe/majority", "probe/chance")
SAMPLES = tuple(f"val/{name}" for name in SAMPLE_METRICS)
PHASES = ("val/phase_accuracy", "val/phase_jaccard")
SKIPPED = ("optimizer/skipped", "optimizer/overflows")
RANK = "Exponential of the entropy of the singular values (RankMe)."

PANELS = (
    Panel("Loss", LOSSES, BASELINE, baseline_caption=CONSTANT_BASELINE),
    Panel("Loss by source", ("loss/source/*",), BASELINE, baseline_caption=CONSTANT_BASELINE),
    Panel("k-NN probe", ("probe/knn",), PROBE_BASELINES, "plain", baseline_caption=NO_INPUT),
    Panel(
        "Validation, per sample", SAMPLES, VALIDATION_BASELINES, "plain", baseline_caption=NO_INPUT
    ),
    Panel(
        "Validation, per video", PHASES, VALIDATION_BASELINES, "plain", baseline_caption=NO_INPUT
    ),
    Panel("Effective feature rank", ("features/rankme",), (), "plain", RANK),
    Panel("Feature standard deviation", ("features/std",), (), "plain", "1: evenly spread."),
    Panel("Learning rate", ("optimizer/lr",), (), "plain"),
    Panel("Gradient norm", ("optimizer/grad_norm",), (), "log", "Before clipping."),
    Panel("Skipped steps, cumulative", SKIPPED, (), "plain"),
    Panel("Loss scale (fp16)", ("optimizer/loss_scale",), (), "log"),
    Panel("Clips per second", ("speed/clips_per_second",), (), "plain", "All processes together."),
    Panel("Time waiting for data", ("speed/data_wait",), (), "share", "On rank 0."),
    Panel("Time for monitoring", ("time/monitoring",), (), "share", "Of the whole run."),
    Panel("Peak memory (GiB)", ("speed/memory_gib",), (), "plain", "On rank 0."),
    Panel("Model FLOPs utilization", ("speed/mfu",), (), "share"),
    Panel("Unreadable clips, cumulative", ("data/unreadable",), (), "plain"),
)

LEGEND = {
    "loss/train": "all",
    "loss/constant_baseline": "constant baseline",
    "loss/inside_fov": "inside the field of view",
    "loss/outside_fov": "outside the field of view",
    "probe/knn": "k-NN",
    "probe/majority": "majority class",
}
MAX_LINES = len(COLOURS)
REFERENCE_MARGIN = 1.25  # of the runs' last step, up to which references are drawn


def make_charts(runs: Sequence[RunData]) -> tuple[list[Chart], dict[str, str]]:
    """Charts of everything that was logged, and the values of what never changed."""
    names = list(dict.fromkeys(name for run in runs for name in run.curves))
    constants = {
        name: value for name in names if (value := _constant_value(name, runs)) is not None
    }
    charts = []
    for panel in _select_panels([name for name in names if name not in constants]):
        charts += _charts_of_run(panel, runs[0]) if len(runs) == 1 else _charts_of_runs(panel, runs)
    return charts, constants


def _constant_value(name: str, runs: Sequence[RunData]) -> str | None:
    """The value of a curve that never changes; None if it is to be drawn."""
    curves = [run.curves[name] for run in runs if name in run.curves]
    values = {
        float(value)
        for curve in curves
        for value in (curve.values.min(), curve.last, curve.values.max())
    }
    if name == "loss/train" or any(name in panel.baselines for panel in PANELS):
        return None
    has_several = sum(len(curve.values) for curve in curves) > len(curves)
    return f"{values.pop():.6g}" if len(values) == 1 and has_several else None


def _select_panels(names: Sequence[str]) -> Iterator[Panel]:
    """The panels of the table that have curves, then one per group of other names."""
    known: set[str] = set()
    for panel in PANELS:
        chosen = [name for pattern in panel.names for name in names if fnmatchcase(name, pattern)]
        baselines = [name for name in panel.baselines if name in names]
        known.update(chosen, baselines)
        for part in _split(chosen):
            yield panel._replace(names=part, baselines=tuple(baselines))
    others = [name for name in names if name not in known]
    for group in dict.fromkeys(name.rpartition("/")[0] for name in others):
        for part in _split([name for name in others if name.rpartition("/")[0] == group]):
            yield Panel(group or "Other values", part)


def _split(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """As many lines per chart as there are colours."""
    for begin in range(0, len(names), MAX_LINES):
        yield tuple(names[begin : begin + MAX_LINES])


def _charts_of_run(panel: Panel, run: RunData) -> list[Chart]:
    """One run: a chart per panel, a colour per curve."""
    count = len(panel.names) + len(panel.baselines)
    lines = [
        Line(_label(name, count), run.curves[name], colour)
        for name, colour in zip(panel.names, COLOURS, strict=False)
    ]
    lines += [
        Line(_label(name, count), run.curves[name], GREY, STYLES[i], 1.1)
        for i, name in enumerate(panel.baselines)
    ]
    resumed = tuple((step, GREY) for step in dict.fromkeys(run.resumed_at))
    return [Chart(panel.title, tuple(lines), panel.scale, _caption(panel), resumed)]


def _charts_of_runs(panel: Panel, runs: Sequence[RunData]) -> list[Chart]:
    """Several runs: a chart per curve, a colour per run."""
    charts = []
    for name in panel.names:
        coloured = with_colours(runs, {name})
        lines = [Line(run.name, run.curves[name], colour) for run, colour in coloured]
        lines += [
            Line("", run.curves[baseline], colour, DASHED, 1.1)
            for baseline in panel.baselines[:1]
            for run, colour in with_colours(runs, {name, baseline})
        ]
        resumed = tuple((step, colour) for run, colour in coloured for step in run.resumed_at)
        title = panel.title if len(panel.names) == 1 else f"{panel.title}: {_label(name, 2)}"
        charts.append(Chart(title, tuple(lines), panel.scale, _caption(panel), resumed))
    return charts


def _caption(panel: Panel) -> str:
    baselines = panel.baseline_caption if panel.baselines else ""
    return f"{panel.caption} {baselines}".strip()


def with_colours(runs: Sequence[RunData], names: set[str]) -> list[tuple[RunData, str]]:
    """The runs that have all these curves; a run has the same colour in all charts."""
    return [
        (run, colour)
        for run, colour in zip(runs, COLOURS, strict=False)
        if names <= run.curves.keys()
    ]


def _label(name: str, curves: int) -> str:
    """The legend of a curve; empty if it is the only one, which the title names."""
    if curves == 1:
        return ""
    return LEGEND.get(name) or name.rpartition("/")[2].replace("_", " ")


def ratio_chart(runs: Sequence[RunData], references: Sequence[ReferenceRun]) -> Chart | None:
    """The loss of runs and references divided by their constant baselines."""
    lines = [
        Line(run.name, curve, colour)
        for run, colour in zip(runs, COLOURS, strict=False)
        if (curve := loss_ratio(run)) is not None
    ]
    if not lines:
        return None
    last = int(REFERENCE_MARGIN * max(line.curve.steps[-1] for line in lines))
    for i, reference in enumerate(references):
        known = reference.ratio.within(0, last)
        if len(known.steps) > 1:
            style = STYLES[i % len(STYLES)] if i else SOLID
            lines.append(Line(f"reference: {reference}", known, PALE, style, 3.5))
    return Chart(
        "Loss / constant baseline",
        tuple(lines),
        "plain",
        "1 (grey line) is the loss of predicting the best constant per channel of each clip; lower "
        "is better.",
        is_wide=True,
        baseline=1.0,
    )
