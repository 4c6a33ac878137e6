"""Processes of a run: groups, signals, watchdog."""
