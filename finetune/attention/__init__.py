"""Attention maps of an encoder on recordings, as images and videos."""
