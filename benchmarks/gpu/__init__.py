"""`python -m benchmarks.gpu`: what must be true of a machine with GPUs, in eight minutes."""
