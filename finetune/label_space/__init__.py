"""Label spaces: the merged classes of several sets, and the rows of a trained head for one set."""
