"""Readers of frames: `registry` has the table, `random_access` the function that uses it."""
