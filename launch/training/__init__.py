"""Optimization steps under DeepSpeed."""
