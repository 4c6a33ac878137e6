"""Text of label files: its encoding, and the times in it."""

from pathlib import Path

import pytest

from video.labels.csv_rows import parse_seconds, read_label_text
from video.labels.segments import LabelError

TABLE = "start,end,phase\n0,1,préparation\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_a_mark_or_without(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text(TABLE, encoding=encoding)
    assert read_label_text(tmp_path / "a.csv") == TABLE


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_another_encoding_is_refused_with_the_cure(tmp_path: Path, encoding: str) -> None:
    text = TABLE.replace("é", "e") if encoding == "utf-16-le" else TABLE
    (tmp_path / "a.csv").write_text(text, encoding=encoding)
    with pytest.raises(LabelError, match=r"not UTF-8.*save it as UTF-8$"):
        read_label_text(tmp_path / "a.csv")


@pytest.mark.parametrize("text", ["1_0", "١٢", "nan", "inf", "-1", "1e999", "0x10", "", "1,5"])
def test_what_only_python_reads_as_a_number_is_no_time(text: str) -> None:
    with pytest.raises(LabelError, match="is not a time in seconds"):
        parse_seconds("a.csv:2", text)


@pytest.mark.parametrize(("text", "seconds"), [("10", 10), ("0.5", 0.5), ("1e2", 100), ("+3", 3)])
def test_numbers_are_times(text: str, seconds: float) -> None:
    assert parse_seconds("a.csv:2", text) == seconds
