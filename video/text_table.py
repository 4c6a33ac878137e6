"""Formats tables, times and counts as text."""

from collections.abc import Sequence


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
