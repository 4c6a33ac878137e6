"""Monitoring of a run: metrics of its features and reconstructions, on fixed clips."""
