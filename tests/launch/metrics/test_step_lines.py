"""Logs are read whatever they hold, and no line of them is lost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from launch.metrics.jsonl_log import LOG_FILE, JsonlLog, read_log
from launch.metrics.loggers import WriteWarning
from launch.metrics.step_lines import read_step_lines

REMOVED = "log_removed.jsonl"
TEXTS = ("", "\u2028", "\x85", "\x0b", '"', "\\", "\ud7ff", "😀", "\r", "\n", "0" * 30, "\x00")
DAMAGE = (
    b"\xff\xfe",
    b'{"step": 1',
    b'{"step": true}',
    b'{"step": -1}',
    b'{"step": 1.5}',
    b'{"step": "1"}',
    b'{"loss/train": 1}',
    b"[1, 2]",
    b"null",
    b"\x00" * 40,
    b"[" * 100_000,
    b'{"step": ' + b"9" * 5000 + b"}",
    '{"step": 1}'.encode("utf-16"),
    b"\xed\xa0\x80",
)


def open_log(folder: Path, start: int, told: list[str] | None = None) -> JsonlLog:
    report = ([] if told is None else told).append
    return JsonlLog(folder, start, WriteWarning(report), report)


def arbitrary(rng: np.random.Generator, depth: int = 0) -> Any:
    """A value that JSON can hold."""
    kind = int(rng.integers(7 if depth < 3 else 5))
    if kind == 0:
        return float(rng.normal() * 10.0 ** int(rng.integers(-300, 300)))
    if kind == 1:
        return int(rng.integers(-(2**62), 2**62)) ** int(rng.integers(1, 4))
    if kind == 2:
        return [None, True, False, float("inf"), float("nan")][int(rng.integers(5))]
    if kind in (3, 4):
        return "".join(TEXTS[i] for i in rng.integers(len(TEXTS), size=rng.integers(6)))
    values = [arbitrary(rng, depth + 1) for _ in range(int(rng.integers(4)))]
    return values if kind == 5 else {f"{i}{arbitrary(rng, 9)}": v for i, v in enumerate(values)}


def damaged_line(rng: np.random.Generator, line: bytes) -> bytes:
    """A line that is none any more, as a kill, a disk or an editor may leave it."""
    if rng.random() < 0.5:
        return DAMAGE[int(rng.integers(len(DAMAGE)))]
    cut = line[: int(rng.integers(1, len(line)))]
    return cut if rng.random() < 0.5 else cut + bytes([int(rng.integers(128, 256))]) + b"\x01"


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_read_and_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.integers(1, 30, size=int(rng.integers(1, 25)))).tolist()
    file, written = tmp_path / LOG_FILE, list[dict[str, Any]]()
    log = open_log(tmp_path, 0)
    for step in steps:
        if rng.random() < 0.5:
            numbers = {f"loss/{arbitrary(rng, 9)}": float(rng.normal()) for _ in range(3)}
            log.log_scalars(step, numbers)
            written.append({"step": step, **numbers})
        else:  # a line of somebody else
            written.append({"step": step, "x": arbitrary(rng)})
            text = json.dumps(written[-1], ensure_ascii=bool(rng.random() < 0.5))
            file.write_bytes(file.read_bytes() + text.encode() + b"\n")
    assert repr(read_log(tmp_path)) == repr(written)

    lines = file.read_bytes().split(b"\n")[:-1]
    is_damaged = rng.random(len(lines)) < rng.choice([0.0, 0.2, 1.0])
    lines = [damaged_line(rng, x) if bad else x for x, bad in zip(lines, is_damaged, strict=True)]
    file.write_bytes(b"\n".join(lines) + b"\n" * bool(rng.random() < 0.7))
    before = [line.text for line in read_step_lines(file)]
    assert before == [line for line in lines if line.strip()]

    start, told = int(rng.integers(30)), list[str]()
    log = open_log(tmp_path, start, told)
    whole = zip(written, is_damaged, strict=True)
    kept = [line for line, bad in whole if not bad and line["step"] <= start]
    assert repr(read_log(tmp_path)) == repr(kept)
    assert len(told) == is_damaged.any()
    removed = tmp_path / REMOVED
    after = [line.text for path in (file, removed) for line in read_step_lines(path)]
    assert sorted(after) == sorted(before)

    log.log_scalars(start + 1, {"loss/train": 1.0})
    assert read_log(tmp_path)[-1] == {"step": start + 1, "loss/train": 1.0}
    assert len(read_log(tmp_path)) == len(kept) + 1


def test_lines_of_several_resumptions_are_all_kept(tmp_path: Path) -> None:
    for start, last in ((0, 4), (2, 5), (1, 3)):
        log = open_log(tmp_path, start)
        for step in range(start + 1, last + 1):
            log.log_scalars(step, {"start": float(start)})
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]
    removed = [json.loads(line) for line in (tmp_path / REMOVED).read_text().splitlines()]
    assert [(line["start"], line["step"]) for line in removed] == [
        (0.0, 3),
        (0.0, 4),
        (0.0, 2),
        (2.0, 3),
        (2.0, 4),
        (2.0, 5),
    ]


def test_a_log_that_is_removed_while_a_run_writes_begins_anew(tmp_path: Path) -> None:
    told = list[str]()
    log = open_log(tmp_path, 0, told)
    log.log_scalars(1, {})
    (tmp_path / LOG_FILE).unlink()
    log.log_scalars(2, {})
    assert read_log(tmp_path) == [{"step": 2}] and not told


def test_a_byte_order_mark_and_windows_line_ends_are_no_damage(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).write_bytes(b'\xef\xbb\xbf{"step": 1}\r\n\r\n{"step": 2}\r\n')
    assert read_log(tmp_path) == [{"step": 1}, {"step": 2}]
    told = list[str]()
    open_log(tmp_path, 2, told)
    assert not told and not (tmp_path / REMOVED).exists()
