"""Weights from outside: any checkpoint of the field, and this project's own file.

In the order of the data: `opening` a file safely, `files` as users have them, `layouts` of names,
`families` by names and shapes, `told` by the user, `geometry` and `reading` of the encoder that a
file holds, `adapting` to the one that is wanted, `loading`, `report`; and the way out, `own` and
`writing`.
"""
