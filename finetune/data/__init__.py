"""Labelled sets: labels of moments (`video/labels`) and of clips, with their recordings.

`clips` reads lists of labelled clips, and `clip_tracks` finds the recording of each. They and the
labels of moments come to a `labelled.LabelledSet`, of which `few_shot` keeps a few samples a class.
"""
