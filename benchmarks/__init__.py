"""Benchmarks: one command per claim about speed or memory, `python -m benchmarks.NAME`."""
