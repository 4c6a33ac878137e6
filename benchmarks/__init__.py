"""Benchmarks: each claim about speed or memory has a command, `python -m benchmarks.NAME`."""
