"""Stage 1: masked autoencoding of unlabeled recordings."""
