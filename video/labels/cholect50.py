"""CholecT50's JSON: for each annotated second, rows of 15 numbers, one for each action triplet."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from video.labels.csv_rows import parse_seconds
from video.labels.segments import LabelError

# the place of each number in a row; all rows of a second have the same phase
CATEGORIES = {"triplet": 0, "instrument": 1, "verb": 7, "target": 8, "phase": 14}


class Annotations(NamedTuple):
    """One category of a file."""

    names: tuple[str, ...]  # of the classes, in the order of their numbers
    seconds: dict[float, tuple[str, ...]]  # what holds in each annotated second, perhaps nothing


def read_cholect50(path: Path, text: str, category: str) -> Annotations:
    """`category`: one of CATEGORIES. Raises LabelError."""
    if category not in CATEGORIES:
        near = get_close_matches(category, CATEGORIES, n=1)
        raise LabelError(
            f"category: {category!r} is none of {', '.join(CATEGORIES)}"
            + (f"; nearest: {near[0]!r}" if near else "")
        )
    try:
        held = json.loads(text, object_pairs_hook=_each_key_once)
        names, place = held["categories"][category], CATEGORIES[category]
        return _annotations(path, names, held["annotations"], place)
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


def _annotations(path: Path, categories: Any, annotated: Any, place: int) -> Annotations:
    numbered = {int(number): " ".join(str(name).split()) for number, name in categories.items()}
    if len(set(numbered.values())) < len(categories):
        raise ValueError("a category stands twice")
    seconds: dict[float, tuple[str, ...]] = {}
    for second, rows in annotated.items():
        numbers = {_whole(row[place]) for row in rows} - {-1}  # -1: the row has none
        time = parse_seconds(str(path), second)
        if time in seconds:
            raise ValueError(f"second {second} stands twice")
        seconds[time] = tuple(numbered[number] for number in sorted(numbers))
    return Annotations(tuple(numbered[number] for number in sorted(numbered)), seconds)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return held


def _whole(number: Any) -> int:
    if isinstance(number, bool) or int(number) != number:
        raise ValueError(f"{number!r} is no number of a class")
    return int(number)
