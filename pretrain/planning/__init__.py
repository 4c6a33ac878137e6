"""Memory, time and scaling of a pretraining run."""
