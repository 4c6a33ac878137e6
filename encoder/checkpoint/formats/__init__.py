"""File formats of other programs, one module each; `registry.py` has their table."""
