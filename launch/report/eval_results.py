"""The results of a finetuning: `evaluation_PART/metrics.json`."""

from pathlib import Path
from typing import Any, NamedTuple

from launch.report.renamed import METRICS
from launch.report.tolerant_read import Warn, read_json, to_number

PARTS = ("val", "test")
BASELINES = ("majority class", "chance", "share of positives")  # reached without any input
MAX_RECORDINGS = 200  # whose accuracy is shown


class EvalResult(NamedTuple):
    """The metrics of one part of the data."""

    part: str
    step: str  # of the weights
    selection: str  # how this step was chosen
    metrics: dict[str, float]
    baselines: dict[str, float]
    accuracies: dict[str, float]  # by recording


def read_results(folder: Path, warn: Warn) -> tuple[EvalResult, ...]:
    """Of a run folder: val, then test, as far as they exist."""
    found = []
    for part in PARTS:
        file, problems = folder / f"evaluation_{part}" / "metrics.json", list[str]()
        values = read_json(file, problems.append)
        if isinstance(values, dict):
            found.append(_parse(part, values))
            if len(found[-1].accuracies) > MAX_RECORDINGS:
                problems.append(f"{file.name}: the first {MAX_RECORDINGS} recordings are shown")
        elif values is not None:
            problems.append(f"{file.name} has no metrics")
        for problem in problems:
            warn(f"{file.parent.name}/{problem}")
    return tuple(found)


def _parse(part: str, values: dict[str, Any]) -> EvalResult:
    about, strict = _section(values, "about"), _section(_section(values, "phases"), "strict")
    samples = _numbers(_section(values, "samples"))
    phases = {
        "phase accuracy": _section(strict, "accuracy").get("value"),
        "phase jaccard": _section(_section(strict, "recordings_first"), "jaccard").get("value"),
    }
    by_recording = _section(strict, "by_recording")
    accuracies = {name: _section(by_recording, name).get("accuracy") for name in by_recording}
    return EvalResult(
        part,
        str(about.get("step", "")),
        str(about.get("chosen", "")),
        {name: each for name, each in samples.items() if name not in BASELINES} | _numbers(phases),
        {name: samples[name] for name in BASELINES if name in samples},
        _numbers(accuracies),
    )


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    section = values.get(name)
    return section if isinstance(section, dict) else {}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """Those that are finite numbers, by current name."""
    numbers = {METRICS.get(str(name), str(name)): to_number(each) for name, each in values.items()}
    return {name: number for name, number in numbers.items() if number == number}
