"""Renders the template of the page."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from launch.report.charts import COLOURS, Chart, draw
from launch.report.comparison import compare_key_values, different_settings, images_by_name
from launch.report.diagnosis import diagnose
from launch.report.eval_results import MAX_RECORDINGS
from launch.report.formatting import format_count, format_duration
from launch.report.headline import (
    describe_last_change,
    describe_status,
    describe_throughput,
    key_values,
)
from launch.report.panels import make_charts, ratio_chart
from launch.report.reference_runs import ReferenceRun
from launch.report.run_data import RunData
from launch.report.start_history import package_changes, recipe_name

TEMPLATE = "report.html.jinja"
# configuration keys that name data and weights: below `data`, and elsewhere
DATA_KEYS = ("source", "labels", "split", "clips", "exclude", "path")
WEIGHT_KEYS = ("backbone.weights", "init_from")
# characters that are invisible or reverse the direction: a name with them could look like another
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
SURROGATES = re.compile("[\ud800-\udfff]")


def render(runs: Sequence[RunData], references: Sequence[ReferenceRun]) -> str:
    """The page of one run, or of several side by side."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_replace_invisible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pretrainings = [run for run in runs if _is_pretraining(run)]
    charts, constants = make_charts(runs)
    ratios = ratio_chart(pretrainings, references)
    has_several = len(runs) > 1
    now = time.time()
    return environment.get_template(TEMPLATE).render(
        title=f"{len(runs)} runs" if has_several else runs[0].name,
        made=time.strftime("%Y-%m-%d %H:%M"),
        runs=[_context(run, colour, now) for run, colour in zip(runs, COLOURS, strict=False)],
        diagnoses=[
            (run.name, COLOURS[runs.index(run)], diagnose(run, references)) for run in pretrainings
        ],
        ratio=_draw([ratios] if ratios else [], 0),
        charts=_draw(charts, 1),
        constants=constants,
        key_values=compare_key_values(runs) if has_several else [],
        settings=different_settings(runs) if has_several else [],
        images=images_by_name(runs),
    )


def _is_pretraining(run: RunData) -> bool:
    """Without a configuration, by the log: only pretrainings have a constant baseline."""
    has_baseline = "loss/constant_baseline" in run.curves
    return run.kind == "pretraining" or (run.kind == "run" and has_baseline)


def _context(run: RunData, colour: str, now: float) -> dict[str, Any]:
    """What the template needs of a run."""
    return {
        "data": run,
        "colour": colour,
        "status": describe_status(run, now),
        "last_change": describe_last_change(run),
        "recipe": recipe_name(run.starts),
        "key_values": key_values(run),
        "results": _results_table(run),
        "accuracies": [
            (each.part, list(each.accuracies.items())[:MAX_RECORDINGS])
            for each in run.results
            if each.accuracies
        ],
        "throughput": describe_throughput(run),
        "versions": run.starts[-1].packages if run.starts else {},
        "changes": package_changes(run.starts),
        "sources": _sources_table(run),
        "origin": {key: value for key, value in run.config.items() if value and _is_origin(key)},
    }


def _sources_table(run: RunData) -> list[tuple[str, str, str]]:
    """One row per source, and their sum if there are several."""
    data = run.data
    rows = [(each.name or "all", each.recordings, each.hours) for each in data.sources]
    if len(rows) > 1:
        rows.append(("total", data.recordings, data.hours))
    return [
        (
            name,
            format_count(number, "recording"),
            f"{hours:,.1f} h" if hours >= 1 else format_duration(3600 * hours),
        )
        for name, number, hours in rows
    ]


def _results_table(run: RunData) -> list[tuple[str, bool, list[str]]]:
    """One row per metric with a cell per part; the flag is set for baselines."""
    rows = []
    for is_baseline in (False, True):
        by_part = [each.baselines if is_baseline else each.metrics for each in run.results]
        for name in dict.fromkeys(name for metrics in by_part for name in metrics):
            cells = [f"{metrics[name]:.3f}" if name in metrics else "" for metrics in by_part]
            rows.append((name, is_baseline, cells))
    return rows


def _is_origin(key: str) -> bool:
    """Whether a configuration key names data or weights."""
    is_data = key.startswith("data.") and key.rpartition(".")[2] in DATA_KEYS
    return is_data or key in WEIGHT_KEYS


def _draw(charts: Sequence[Chart], first: int) -> list[tuple[Chart, Markup]]:
    # the SVG is our own and has no text from a file
    return [(chart, Markup(draw(chart, number))) for number, chart in enumerate(charts, first)]


def _replace_invisible(value: Any) -> Any:
    """Text without characters that are invisible or not valid Unicode."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return SURROGATES.sub("\ufffd", INVISIBLE.sub("\ufffd", value))
