"""Reads files of a run folder without raising: what is wrong with one is reported by `warn`."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from launch.errors import ConfigError
from launch.yaml_file import parse_yaml

Warn = Callable[[str], None]  # takes one line about a file

MAX_FILE_BYTES = 2**24  # of a file that is read at once
MAX_LINE_BYTES = 2**20
MAX_VALUE_LENGTH = 5000  # characters
MAX_KEYS = 2000  # of a configuration
MAX_DEPTH = 12
JSON_ERRORS = (ValueError, RecursionError)


def read_text(file: Path, warn: Warn) -> str | None:
    """None if there is no such file, or if it cannot be read."""
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            warn(f"{file.name} is larger than {MAX_FILE_BYTES >> 20} MiB and is not read")
            return None
        content = file.read_bytes()
    except OSError as error:
        warn(f"{file.name} cannot be read ({error.strerror})")
        return None
    text = content.decode("utf-8-sig", errors="replace")
    if "\ufffd" in text:
        warn(f"{file.name} is not valid UTF-8; invalid bytes are shown as \ufffd")
    return text


def read_json(file: Path, warn: Warn) -> Any:
    """None if there is no such file, or if it is not JSON."""
    text = read_text(file, warn)
    if text is None:
        return None
    try:
        return json.loads(text)
    except JSON_ERRORS as error:
        warn(f"{file.name} is not JSON ({_one_line(error)})")
        return None


def read_mapping(file: Path, warn: Warn) -> dict[str, Any]:
    """The values of a YAML mapping by key path, such as `data.source`; empty if it is none."""
    text = read_text(file, warn)
    if text is None:
        return {}
    try:
        values = parse_yaml(text, file.name)
    except ConfigError as error:
        warn(_one_line(error))
        return {}
    if not isinstance(values, dict):
        warn(f"{file.name} is not a mapping of keys")
        return {}
    flat: dict[str, Any] = {}
    for path, value in _flatten(values, "", 0):
        if len(flat) == MAX_KEYS:
            warn(f"{file.name} has more than {MAX_KEYS} keys; the rest is omitted")
            break
        flat[path] = value
    return flat


def _flatten(values: dict[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            yield from _flatten(value, f"{path}.", depth + 1)
        else:
            is_scalar = isinstance(value, str | int | float | None)
            yield path, value if is_scalar else _on_one_line(value)


def _on_one_line(value: Any) -> str:
    try:
        return truncate(json.dumps(value, default=str, ensure_ascii=False))
    except JSON_ERRORS:
        return "(cannot be shown)"


def truncate(text: str) -> str:
    """A text short enough for a page."""
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]} ..."


def read_json_lines(file: Path, warn: Warn) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file with one per line; other lines are omitted."""
    bad: list[int] = []
    is_complete = True
    try:
        with file.open("rb") as opened:
            for number, line in enumerate(iter(lambda: opened.readline(MAX_LINE_BYTES), b""), 1):
                is_complete = line.endswith(b"\n")
                parsed = _parse_object(line)
                if parsed is not None:
                    yield parsed
                elif line.strip():
                    bad.append(number)
    except FileNotFoundError:
        return
    except OSError as error:
        warn(f"{file.name} cannot be read ({error.strerror})")
        return
    if bad and not is_complete and bad[-1] == number:
        bad.pop()
        warn(f"{file.name}: the last line is incomplete and is omitted")
    if bad:
        lines = f"{len(bad):,} line{'s' * (len(bad) != 1)}"
        warn(f"{file.name}: {lines} omitted because they are not JSON objects; first: {bad[0]}")


def _parse_object(line: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
    except JSON_ERRORS:
        return None
    return parsed if isinstance(parsed, dict) else None


def to_number(value: Any) -> float:
    """NaN if the value is not a number, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def to_count(value: Any) -> int | None:
    """A step or another count; None if the value is none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
