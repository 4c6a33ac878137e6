"""Labels of recordings: files in the field's formats are read and aligned by time.

`single_label` and `multi_label` have the tables of formats, `align` gives each timestamp its label.
"""
