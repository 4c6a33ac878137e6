"""Counts as text."""

from video.text_table import format_count


def test_one_thing_is_singular() -> None:
    assert [format_count(n, "recording") for n in (0, 1, 2, 1200)] == [
        "0 recordings",
        "1 recording",
        "2 recordings",
        "1,200 recordings",
    ]
