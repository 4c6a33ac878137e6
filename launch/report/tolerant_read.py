"""Files of a run folder as they are found: nothing in them raises, and what is wrong is told."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

Tell = Callable[[str], None]  # takes a line about a file

MOST_TEXT = 2**24  # bytes of a file that is read whole
MOST_LINE = 2**20  # bytes
MOST_CELL = 5000  # characters of a value
MOST_KEYS = 2000  # of a configuration
MOST_DEPTH = 12
NOT_JSON = (ValueError, RecursionError)


def read_text(file: Path, tell: Tell) -> str | None:
    """None where there is no such file, or none that can be read; tells why if it is there."""
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > MOST_TEXT:
            tell(f"{file.name} has more than {MOST_TEXT >> 20} MiB and is not read")
            return None
        content = file.read_bytes()
    except OSError as error:
        tell(f"{file.name} cannot be read ({error.strerror})")
        return None
    text = content.decode("utf-8-sig", errors="replace")
    if "\ufffd" in text:
        tell(f"{file.name} is not all UTF-8; what is not is shown as \ufffd")
    return text


def read_json(file: Path, tell: Tell) -> Any:
    """None where there is nothing that can be read."""
    text = read_text(file, tell)
    if text is None:
        return None
    try:
        return json.loads(text)
    except NOT_JSON as error:
        tell(f"{file.name} is not JSON ({_one_line(error)})")
        return None


def read_mapping(file: Path, tell: Tell) -> dict[str, Any]:
    """The keys of a YAML mapping by their path, such as `data.source`; empty where it is none."""
    text = read_text(file, tell)
    if text is None:
        return {}
    try:
        held = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        tell(f"{file.name} is not YAML ({_one_line(error)})")
        return {}
    if not isinstance(held, dict):
        tell(f"{file.name} is not a mapping of keys")
        return {}
    flat: dict[str, Any] = {}
    for path, value in _flat(held, "", 0):
        if len(flat) == MOST_KEYS:  # aliases can make endless ones of a short file
            tell(f"{file.name} has more than {MOST_KEYS} keys; the rest is left out")
            break
        flat[path] = value
    return flat


def _flat(values: dict[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value and depth < MOST_DEPTH:
            yield from _flat(value, f"{path}.", depth + 1)
        else:
            yield path, value if isinstance(value, str | int | float | None) else _short(value)


def _short(value: Any) -> str:
    """A list on one line."""
    try:
        return cut(json.dumps(value, default=str, ensure_ascii=False))
    except NOT_JSON:
        return "(cannot be shown)"


def cut(text: str) -> str:
    """A text that would fill the page, with a mark where it goes on."""
    return text if len(text) <= MOST_CELL else f"{text[:MOST_CELL]} ..."


def read_json_lines(file: Path, tell: Tell) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one a line; lines that are none are left out, and told."""
    bad: list[int] = []
    whole = True
    try:
        with file.open("rb") as opened:
            for number, line in enumerate(iter(lambda: opened.readline(MOST_LINE), b""), 1):
                whole = line.endswith(b"\n")
                held = _object(line)
                if held is not None:
                    yield held
                elif line.strip():
                    bad.append(number)
    except FileNotFoundError:
        return
    except OSError as error:
        tell(f"{file.name} cannot be read ({error.strerror})")
        return
    if bad and not whole and bad[-1] == number:
        bad.pop()
        tell(f"{file.name}: the last line is half written and is left out")
    if bad:
        tell(f"{file.name}: {_count(len(bad), 'line')} left out, no JSON objects; first: {bad[0]}")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        held = json.loads(line)
    except NOT_JSON:
        return None
    return held if isinstance(held, dict) else None


def number_of(value: Any) -> float:
    """A value as a number; NaN where it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def whole_number_of(value: Any) -> int | None:
    """A count or a step; None where it is none."""
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if good else None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
