"""Pretraining targets: what the decoder predicts for a token. `registry.TARGETS` is their table."""
