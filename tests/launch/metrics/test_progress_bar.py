"""The progress of a run on a terminal and in a file."""

import io

from rich.console import Console

from launch.metrics.progress_bar import ProgressBar


def test_a_file_gets_plain_lines_and_a_terminal_one_line() -> None:
    for terminal in (False, True):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=120)
        progress = ProgressBar(range(0, 4), console)
        progress.print("data: [a] {b}")
        progress.update(2)
        progress.report(2, "loss 0.5")
        progress.close()
        assert "data: [a] {b}" in out.getvalue()
        assert "ETA 0:00:00  loss 0.5" in out.getvalue()
        assert "step 2/4  ETA" in out.getvalue()
        assert (out.getvalue().count("━") > 0) == terminal
        assert ("\x1b" in out.getvalue()) == terminal


def test_a_narrow_terminal_loses_the_end_of_the_line_and_the_bar() -> None:
    out = io.StringIO()
    progress = ProgressBar(range(0, 4), Console(file=out, force_terminal=True, width=40))
    progress.report(2, "loss 0.5  lr 1.00e-04  33.0 clips/s  data wait 1%")
    progress.close()
    assert "step 2/4  ETA 0:00:00  loss 0.5" in out.getvalue()
    assert "━" not in out.getvalue()
    assert "data wait" not in out.getvalue()
