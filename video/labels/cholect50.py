"""CholecT50's JSON: for each annotated second, rows of 15 numbers, one per action triplet."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from video.labels.csv_rows import parse_seconds
from video.labels.label_format import LabelOptions, first_line
from video.labels.segments import (
    LabelError,
    LabelFile,
    LabelSegment,
    MultiLabelFile,
    MultiLabelSegment,
)

# The position of each class number in a row; all rows of a second have the same phase.
CATEGORIES = {"triplet": 0, "instrument": 1, "verb": 7, "target": 8, "phase": 14}


class Annotations(NamedTuple):
    """One category of a file."""

    names: tuple[str, ...]  # of the classes, in the order of their numbers
    seconds: dict[float, tuple[str, ...]]  # the classes of each annotated second, perhaps none


def is_json_text(text: str) -> bool:
    return first_line(text).startswith("{")


def read_one_category(path: Path, text: str, options: LabelOptions) -> LabelFile:
    """Each class of an annotated second is a segment of that second."""
    seconds = read_cholect50(path, text, options.category).seconds
    segments = [
        LabelSegment(second, second + 1, name, 0)
        for second, names in seconds.items()
        for name in names
    ]
    return LabelFile(str(path), {options.recording: segments})


def read_several_classes(path: Path, text: str, options: LabelOptions) -> MultiLabelFile:
    """In an annotated second, the classes that no row names are 0."""
    if options.category in ("", "phase"):
        names = ", ".join(name for name in CATEGORIES if name != "phase")
        raise LabelError(
            f"{path}: category {options.category!r} is not multi-label; set category to one of "
            f"{names}, or set multi_label: false"
        )
    classes, seconds = read_cholect50(path, text, options.category)
    segments = [
        MultiLabelSegment(second, second + 1, tuple(int(name in names) for name in classes), 0)
        for second, names in seconds.items()
    ]
    return MultiLabelFile(str(path), classes, {options.recording: segments})


def read_cholect50(path: Path, text: str, category: str) -> Annotations:
    """Reads one of CATEGORIES. Raises LabelError."""
    if category not in CATEGORIES:
        near = get_close_matches(category, CATEGORIES, n=1)
        raise LabelError(
            f"category: {category!r} is none of {', '.join(CATEGORIES)}"
            + (f"; nearest: {near[0]!r}" if near else "")
        )
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
        names, column = content["categories"][category], CATEGORIES[category]
        return _annotations(path, names, content["annotations"], column)
    except LabelError:
        raise
    except json.JSONDecodeError as error:
        raise LabelError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from None
    except RecursionError:
        raise LabelError(f"{path}: is not CholecT50's JSON (nested too deeply)") from None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise LabelError(
            f"{path}: is JSON, but not CholecT50's ({type(error).__name__}: {error})"
        ) from None


def _annotations(path: Path, categories: Any, annotated: Any, column: int) -> Annotations:
    names = {int(number): " ".join(str(name).split()) for number, name in categories.items()}
    if len(set(names.values())) < len(categories):
        raise ValueError("a category occurs twice")
    seconds: dict[float, tuple[str, ...]] = {}
    for second, rows in annotated.items():
        numbers = {_class_number(row[column]) for row in rows} - {-1}  # -1: the row has none
        time = parse_seconds(str(path), second)
        if time in seconds:
            raise ValueError(f"second {second} occurs twice")
        seconds[time] = tuple(names[number] for number in sorted(numbers))
    return Annotations(tuple(names[number] for number in sorted(names)), seconds)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
    return content


def _class_number(number: Any) -> int:
    if isinstance(number, bool) or int(number) != number:
        raise ValueError(f"{number!r} is not a class number")
    return int(number)
