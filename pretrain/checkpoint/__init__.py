"""Autoencoder checkpoints: formats, configuration inference, export."""
