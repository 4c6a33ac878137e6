"""What is not trained on: how it is read, given to a network, and what is left of it."""
