"""One command for each claim about speed or memory: `python -m benchmarks.NAME`."""
