"""Predictions as a file, and every figure and picture of them."""
