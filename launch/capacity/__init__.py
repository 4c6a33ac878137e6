"""Memory and communication cost of a training step."""
