"""Predictions of a trained model: reading of test views, forward passes, results."""
