"""What a finetuned network was found to be worth: `evaluation_PART/metrics.json`."""

from pathlib import Path
from typing import Any, NamedTuple

from launch.report.tolerant_read import Tell, number_of, read_json

PARTS = ("val", "test")
BESIDE = ("commonest class", "chance", "share of positives")  # what figures are compared with
MOST_RECORDINGS = 200  # whose accuracy is shown


class Result(NamedTuple):
    """The figures of a part that was not trained on."""

    part: str
    step: str  # whose weights were tested
    chosen: str  # by what that step was
    figures: dict[str, float]
    beside: dict[str, float]  # what is reached without learning
    accuracies: dict[str, float]  # by recording


def read_results(folder: Path, tell: Tell) -> tuple[Result, ...]:
    """Of a run folder: val, then test, where they are there."""
    found = []
    for part in PARTS:
        file, problems = folder / f"evaluation_{part}" / "metrics.json", list[str]()
        held = read_json(file, problems.append)
        if isinstance(held, dict):
            found.append(_result(part, held))
            if len(found[-1].accuracies) > MOST_RECORDINGS:
                problems.append(f"{file.name}: the first {MOST_RECORDINGS} recordings are shown")
        elif held is not None:
            problems.append(f"{file.name} is not an evaluation")
        for problem in problems:
            tell(f"{file.parent.name}/{problem}")
    return tuple(found)


def _result(part: str, held: dict[str, Any]) -> Result:
    about, strict = _inner(held, "about"), _inner(_inner(held, "phases"), "strict")
    figures = _numbers(_inner(held, "samples"))
    phases = {
        "phase accuracy": _inner(strict, "accuracy").get("value"),
        "phase jaccard": _inner(_inner(strict, "recordings_first"), "jaccard").get("value"),
    }
    beside = {name: figures.pop(name) for name in BESIDE if name in figures}
    by_recording = {
        name: _inner(_inner(strict, "by_recording"), name).get("accuracy")
        for name in _inner(strict, "by_recording")
    }
    return Result(
        part,
        str(about.get("step", "")),
        str(about.get("chosen", "")),
        {**figures, **_numbers(phases)},
        beside,
        _numbers(by_recording),
    )


def _inner(held: dict[str, Any], name: str) -> dict[str, Any]:
    inner = held.get(name)
    return inner if isinstance(inner, dict) else {}


def _numbers(held: dict[str, Any]) -> dict[str, float]:
    numbers = {str(name): number_of(value) for name, value in held.items()}
    return {name: number for name, number in numbers.items() if number == number}
