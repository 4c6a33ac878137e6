"""Formats tables, times and counts as text."""

import unicodedata
from collections.abc import Sequence

BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, not UTF-8, line and paragraph separators


def format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns; all but the last are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]


def format_count(number: int, noun: str) -> str:
    """`1 recording`, `2 recordings`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def format_time(seconds: float, decimals: int = 0) -> str:
    """`1:02:03` or `1:02:03.45`."""
    minutes, seconds_left = divmod(round(seconds, decimals), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds_left:0{decimals + 2 + (decimals > 0)}.{decimals}f}"


def format_span(seconds: float) -> str:
    """`1.5 s`, or `1:02:03` from 100 seconds on."""
    return f"{seconds:.2g} s" if seconds < 99.5 else format_time(seconds)


def single_line(text: str) -> str:
    """The text with line breaks and control characters escaped: a file name may have any."""
    return "".join(
        ascii(each)[1:-1] if unicodedata.category(each) in BREAKING else each for each in text
    )
