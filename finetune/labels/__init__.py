"""Labels: files of the field are read, and joined to recordings by time or by path.

`formats` and `many` read labels of moments, one or several at a time, and `joining` gives each
moment what holds then; `clips` reads lists of labelled clips, and `clip_tracks` finds the recording
of each. Both come to a `labelled.LabelledSet`, of which `few_shot` keeps a few samples a class.
"""
