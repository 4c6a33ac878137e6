"""From runs to the text of the page."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from launch.report.charts import COLOURS, Chart, draw
from launch.report.comparison import differing_keys, pictures_by_name, side_by_side
from launch.report.diagnosis import diagnose
from launch.report.eval_results import MOST_RECORDINGS
from launch.report.formatting import count, span
from launch.report.headline import figures_of, state_in_words, throughput_in_words, written_in_words
from launch.report.panels import charts_of, ratio_chart
from launch.report.reference_runs import Reference
from launch.report.run_data import RunFacts
from launch.report.start_history import package_changes, recipe_of

TEMPLATE = "report.html.jinja"
# configuration keys that say where data and weights come from: below `data`, and elsewhere
OF_DATA = ("source", "labels", "split", "clips", "exclude", "path")
OF_WEIGHTS = ("backbone.weights", "init_from")
# what has no picture of its own, or turns the writing round: a name with it reads as another
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
SURROGATES = re.compile("[\ud800-\udfff]")


def render(runs: Sequence[RunFacts], references: Sequence[Reference]) -> str:
    """The whole page, of one run or of several side by side."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pretrained = [run for run in runs if _is_pretraining(run)]
    charts, still = charts_of(runs)
    ratios = ratio_chart(pretrained, references)
    now = time.time()
    return environment.get_template(TEMPLATE).render(
        title=runs[0].name if len(runs) == 1 else f"{len(runs)} runs",
        made=time.strftime("%Y-%m-%d %H:%M"),
        runs=[_view(run, colour, now) for run, colour in zip(runs, COLOURS, strict=False)],
        verdicts=[
            (run.name, COLOURS[runs.index(run)], diagnose(run, references)) for run in pretrained
        ],
        ratio=_drawn([ratios] if ratios else [], 0),
        charts=_drawn(charts, 1),
        still=still,
        table=side_by_side(runs) if len(runs) > 1 else [],
        differing=differing_keys(runs) if len(runs) > 1 else [],
        pictures=pictures_by_name(runs),
    )


def _is_pretraining(run: RunFacts) -> bool:
    """Also of a run whose configuration is gone: only they log a trivial predictor."""
    return run.kind == "pretraining" or (run.kind == "run" and "loss/trivial" in run.curves)


def _view(run: RunFacts, colour: str, now: float) -> dict[str, Any]:
    """A run as the template names it."""
    return {
        "facts": run,
        "colour": colour,
        "state": state_in_words(run, now),
        "written": written_in_words(run),
        "recipe": recipe_of(run.starts),
        "figures": figures_of(run),
        "results": _results(run),
        "accuracies": [
            (each.part, list(each.accuracies.items())[:MOST_RECORDINGS])
            for each in run.results
            if each.accuracies
        ],
        "throughput": throughput_in_words(run),
        "versions": run.starts[-1].packages if run.starts else {},
        "changes": package_changes(run.starts),
        "sources": _sources(run),
        "origin": {
            path: value for path, value in run.config.items() if value and _tells_origin(path)
        },
    }


def _sources(run: RunFacts) -> list[tuple[str, str, str]]:
    """A row a source, and one for all together where there are several."""
    data = run.data
    rows = [(each.name or "all", each.recordings, each.hours) for each in data.sources]
    if len(rows) > 1:
        rows.append(("together", data.recordings, data.hours))
    return [
        (name, count(number, "recording"), f"{hours:,.1f} h" if hours >= 1 else span(3600 * hours))
        for name, number, hours in rows
    ]


def _results(run: RunFacts) -> list[tuple[str, bool, list[str]]]:
    """A row a figure, a cell a part; whether the figure is what others are compared with."""
    rows = []
    for is_beside in (False, True):
        held = [each.beside if is_beside else each.figures for each in run.results]
        for name in dict.fromkeys(name for figures in held for name in figures):
            cells = [f"{each[name]:.3f}" if name in each else "" for each in held]
            rows.append((name, is_beside, cells))
    return rows


def _tells_origin(path: str) -> bool:
    of_data = path.startswith("data.") and path.rpartition(".")[2] in OF_DATA
    return of_data or path in OF_WEIGHTS


def _drawn(charts: Sequence[Chart], first: int) -> list[tuple[Chart, Markup]]:
    # the drawing is our own, and holds no text from a file
    return [(chart, Markup(draw(chart, number))) for number, chart in enumerate(charts, first)]


def _visible(value: Any) -> Any:
    """What is written into the page: nothing that cannot be seen, nothing that is no character."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return SURROGATES.sub("\ufffd", INVISIBLE.sub("\ufffd", value))
