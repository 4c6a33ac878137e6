"""Checkpoints: complete or absent, verified, independent of stage and number of processes."""
