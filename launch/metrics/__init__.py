"""What a run measures and logs."""
