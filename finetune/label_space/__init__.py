"""One label space of several labelled sets, and a trained head taken from it to one of them."""
