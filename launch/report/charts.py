"""Charts as inline SVG, without titles, legends or references to other files."""

import io
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from launch.report.curves import Curve, downsample

Scale = Literal["plain", "log", "share", "auto"]

# the palette of Okabe and Ito without yellow, which is hard to see on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GREY, PALE = "#666666", "#bdbdbd"
SIZE, WIDE_SIZE = (4.4, 2.35), (6.6, 3.4)  # inches; the page scales them
SOLID: tuple[float, ...] = ()
DASHED, DOTTED = (4.0, 2.0), (1.0, 1.5)  # lengths of dash and gap, in line widths
STYLES = (DASHED, DOTTED, (6.0, 1.5, 1.0, 1.5), (8.0, 3.0))
MAX_MARKERS = 12  # points; curves with more have no markers
THIN_FROM = 300  # points; from here on lines are thinner
LOG_FROM = 30.0  # ratio of highest value to median; from here on the scale is logarithmic
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "page",
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.6,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
}


class Line(NamedTuple):
    """A curve, with its name in the legend and its style."""

    name: str
    curve: Curve
    colour: str
    dashes: tuple[float, ...] = SOLID
    width: float = 1.5  # points


class Chart(NamedTuple):
    """Curves over steps, with thin vertical lines where runs were resumed."""

    title: str
    lines: tuple[Line, ...]
    scale: Scale = "auto"
    caption: str = ""
    resumed: tuple[tuple[int, str], ...] = ()  # step, colour
    is_wide: bool = False
    baseline: float | None = None  # a value with a horizontal line


def draw(chart: Chart, number: int) -> str:
    """The SVG element; `number` makes its ids unique in the page."""
    with rc_context(STYLE):
        figure = Figure(figsize=WIDE_SIZE if chart.is_wide else SIZE, layout="constrained")
        axes = figure.add_subplot()
        for step, colour in chart.resumed:
            axes.axvline(step, color=colour, linewidth=0.8, linestyle=":", zorder=1)
        if chart.baseline is not None:
            axes.axhline(chart.baseline, color=GREY, linewidth=0.8, zorder=1)
        for line in reversed(chart.lines):  # the first line is drawn on top
            points = downsample(line.curve)
            marker = "o" if len(points.steps) <= MAX_MARKERS else ""
            width = line.width if len(points.steps) < THIN_FROM else 0.6 * line.width
            style = (0, line.dashes) if line.dashes else "solid"
            axes.plot(
                points.steps,
                points.values,
                color=line.colour,
                linestyle=style,
                linewidth=width,
                marker=marker,
                markersize=3.5,
                zorder=2,
            )
        _set_scale(axes, chart)
        steps = np.concatenate([line.curve.steps for line in chart.lines])
        if steps.min() == steps.max():  # ticks between two steps would repeat their numbers
            axes.set_xlim(steps.min() - 1, steps.min() + 1)
        axes.set_xlabel("step", color="#333333")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=(1, 2, 5, 10)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return _inline(buffer.getvalue(), number)


def _set_scale(axes: Axes, chart: Chart) -> None:
    values = [line.curve.values for line in chart.lines if len(line.curve.values)]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    if chart.scale == "share":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
        axes.set_ylim(bottom=0)
    if chart.scale == "log" or (chart.scale == "auto" and _needs_log_scale(values)):
        if all((each > 0).all() for each in values):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))


def _needs_log_scale(values: Sequence[np.ndarray]) -> bool:
    """Whether a few high values would hide the differences between all others."""
    together = np.concatenate(values) if values else np.array([1.0])
    return bool(together.max() > LOG_FROM * abs(np.median(together)))


def _inline(svg: str, number: int) -> str:
    """Removes what only a file needs: declarations, namespaces, metadata, size."""
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    opening, _, rest = svg.partition(">")
    opening = re.sub(r' (xmlns(:\w+)?|width|height|version)="[^"]*"', "", opening)
    svg = f'{opening} role="img" aria-hidden="true">{rest}'
    svg = re.sub(r'\bid="', f'id="c{number}-', svg)
    svg = re.sub(r"url\(#", f"url(#c{number}-", svg)
    return re.sub(r'xlink:href="#', f'href="#c{number}-', svg)
