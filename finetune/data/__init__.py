"""Labelled sets: their recordings, labels, splits, samplings and batches.

`dataset_kinds` is the table of the kinds of sets. `clip_lists` reads lists of labelled clips, and
`clip_labels` finds the recording of each; `labelled_set` aligns labels in time to recordings.
"""
