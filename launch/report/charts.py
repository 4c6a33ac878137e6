"""Curves as SVG that stands in a page: no text but the axes' own, no reference to anything."""

import io
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from launch.report.curves import Curve, thin_out

Scale = Literal["plain", "log", "share", "auto"]

# Okabe & Ito's palette without its yellow, which white swallows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GREY, PALE = "#666666", "#bdbdbd"
SIZE, WIDE_SIZE = (4.4, 2.35), (6.6, 3.4)  # inches; the page scales it
SOLID: tuple[float, ...] = ()
DASHED, DOTTED = (4.0, 2.0), (1.0, 1.5)  # lengths of ink and gap, in widths of the line
STYLES = (DASHED, DOTTED, (6.0, 1.5, 1.0, 1.5), (8.0, 3.0))
FEW = 12  # points, below which each is marked
DENSE = 300  # points, from which lines are thinner
WIDE = 30.0  # highest over median, from which a plain scale shows nothing
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
    """A curve as it is drawn, with the words that the legend has for it."""

    name: str
    curve: Curve
    colour: str
    dashes: tuple[float, ...] = SOLID
    width: float = 1.5  # points


class Chart(NamedTuple):
    """Curves over steps, with thin upright lines where runs went on."""

    title: str
    lines: tuple[Line, ...]
    scale: Scale = "auto"
    explained: str = ""
    restarts: tuple[tuple[int, str], ...] = ()  # step, colour
    is_wide: bool = False
    level: float | None = None  # a value that means something, as a line from side to side


def draw(chart: Chart, number: int) -> str:
    """The SVG element; `number` tells its inner names from those of the page's other charts."""
    with rc_context(STYLE):
        figure = Figure(figsize=WIDE_SIZE if chart.is_wide else SIZE, layout="constrained")
        axes = figure.add_subplot()
        for step, colour in chart.restarts:
            axes.axvline(step, color=colour, linewidth=0.8, linestyle=":", zorder=1)
        if chart.level is not None:
            axes.axhline(chart.level, color=GREY, linewidth=0.8, zorder=1)
        for line in reversed(chart.lines):  # the first is the one to be seen
            points = thin_out(line.curve)
            marker = "o" if len(points.steps) <= FEW else ""
            width = line.width if len(points.steps) < DENSE else 0.6 * line.width
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
        _scale(axes, chart)
        axes.set_xlabel("step", color="#333333")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=(1, 2, 5, 10)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return _inline(buffer.getvalue(), number)


def _scale(axes: Axes, chart: Chart) -> None:
    values = [line.curve.values for line in chart.lines if len(line.curve.values)]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    if chart.scale == "share":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
        axes.set_ylim(bottom=0)
    if chart.scale == "log" or (chart.scale == "auto" and _is_wide(values)):
        if all((each > 0).all() for each in values):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))


def _is_wide(values: Sequence[np.ndarray]) -> bool:
    """Whether a few high values would press all others down to the axis."""
    held = np.concatenate(values) if values else np.array([1.0])
    return bool(held.max() > WIDE * abs(np.median(held)))


def _inline(svg: str, number: int) -> str:
    """Without what belongs to a file: declarations, namespaces, description, size."""
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    opening, _, rest = svg.partition(">")
    opening = re.sub(r' (xmlns(:\w+)?|width|height|version)="[^"]*"', "", opening)
    svg = f'{opening} role="img" aria-hidden="true">{rest}'
    svg = re.sub(r'\bid="', f'id="c{number}-', svg)
    svg = re.sub(r"url\(#", f"url(#c{number}-", svg)
    return re.sub(r'xlink:href="#', f'href="#c{number}-', svg)
