"""From labelled samples to clips: which frames, how they are varied and mixed, in which batches."""
