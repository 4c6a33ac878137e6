"""Counts as text."""

from video.text_table import format_count, format_span, single_line


def test_one_thing_is_singular() -> None:
    assert [format_count(n, "recording") for n in (0, 1, 2, 1200)] == [
        "0 recordings",
        "1 recording",
        "2 recordings",
        "1,200 recordings",
    ]


def test_long_spans_are_in_hours() -> None:
    assert [format_span(s) for s in (2.0, 99.4, 99.6, 4e8)] == [
        "2 s",
        "99 s",
        "0:01:40",
        "111111:06:40",
    ]


def test_a_line_stays_one_line() -> None:
    assert single_line("säle\u3000 1\n2\x1b[2J\u2028\udce9") == (
        "säle\u3000 1\\n2\\x1b[2J\\u2028\\udce9"
    )
